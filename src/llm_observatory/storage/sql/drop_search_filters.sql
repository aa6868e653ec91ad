DELETE FROM search_filters WHERE hour < date_trunc('hour', %(oldest)s::timestamptz, 'UTC')
