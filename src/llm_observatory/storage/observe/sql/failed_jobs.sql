-- Policies of TimescaleDB on what is ours whose last run failed. Of a continuous aggregate `jobs` names the view, `job_stats` the
-- hypertable behind it.
SELECT jobs.job_id, jobs.proc_name::text AS policy, jobs.hypertable_name::text AS relation, job_stats.total_failures AS failures
FROM timescaledb_information.jobs
JOIN timescaledb_information.job_stats ON job_stats.job_id = jobs.job_id
WHERE jobs.hypertable_schema = current_schema() AND job_stats.last_run_status = 'Failed'
ORDER BY 1
