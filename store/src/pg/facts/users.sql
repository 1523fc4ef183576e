SELECT (registered_at AT TIME ZONE 'UTC')::date AS day, id AS user_id, registered_at, status
FROM users
WHERE $1::text IS NOT NULL
  AND registered_at >= $2::date::timestamp AT TIME ZONE 'UTC'
  AND registered_at < ($3::date + 1)::timestamp AT TIME ZONE 'UTC'
ORDER BY registered_at, id
