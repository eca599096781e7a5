-- Planned once for a connection and not at each look, of which there are twenty a second. A plan that knows no values
-- takes the same index: it is the only way besides reading the table whole, which stays forbidden.
ALTER FUNCTION unpublished() SET plan_cache_mode = force_generic_plan;

-- A leg changes with each of its commands, in columns that no index knows. Where its page has room the new version needs
-- no entry in the four indexes; pages of legs that are written from now on keep that room.
ALTER TABLE legs SET (fillfactor = 60);
