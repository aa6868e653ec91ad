-- Policies of TimescaleDB on what is ours whose last run failed.
SELECT jobs.job_id, proc_name::text AS policy, hypertable_name::text AS relation, total_failures AS failures
FROM timescaledb_information.jobs
JOIN timescaledb_information.job_stats ON job_stats.job_id = jobs.job_id
WHERE jobs.hypertable_schema = current_schema() AND last_run_status = 'Failed'
ORDER BY 1
