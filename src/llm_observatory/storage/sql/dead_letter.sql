INSERT INTO dead_letters (tenant, signal, digest, received_at, error, payload)
VALUES (%b, %b, %b, %b, %b, %b)
