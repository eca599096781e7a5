-- Roles of the fleet, each with the least it needs; passwords are set by whoever installs, never here.
CREATE ROLE pitboss_owner LOGIN;          -- owns the schema, runs migrations
CREATE ROLE pitboss_gateway LOGIN;        -- writes intents, reads everything
CREATE ROLE pitboss_table_service LOGIN;  -- writes outcomes, reads its work
CREATE ROLE pitboss_log_service LOGIN;    -- writes logs, reads logs and keys
CREATE ROLE pitboss_metrics_service LOGIN;  -- writes figures and alerts
