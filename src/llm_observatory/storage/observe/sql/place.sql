-- Where the files of the server are: NULL where it is on another machine, or the login may not know.
SELECT CASE
    WHEN (inet_server_addr() IS NULL OR inet_server_addr() = inet_client_addr()) AND pg_has_role('pg_read_all_settings', 'USAGE')
    THEN current_setting('data_directory')
END AS data_directory
