SELECT rolname::text AS name FROM pg_roles WHERE rolsuper AND rolcanlogin ORDER BY 1
