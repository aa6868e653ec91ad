CREATE SCHEMA IF NOT EXISTS benchmark;
ALTER TABLE IF EXISTS public.benchmark_pool SET SCHEMA benchmark;
ALTER TABLE IF EXISTS public.benchmark_logs_pool SET SCHEMA benchmark;
