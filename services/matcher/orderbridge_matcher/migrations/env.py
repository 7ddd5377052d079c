from orderbridge.postgres import run_migrations

run_migrations()
