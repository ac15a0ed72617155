-- Run once by the postgres image, when its volume is new: a role each for the product and for Temporal, with the
-- databases that they own. Neither is a superuser, so that the product can't switch off the triggers of its ledger
-- for others, and neither can read the other's data.

\getenv abonent_password ABONENT_DB_PASSWORD
\getenv temporal_password TEMPORAL_DB_PASSWORD

CREATE ROLE abonent LOGIN PASSWORD :'abonent_password';
CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';

CREATE DATABASE abonent OWNER abonent;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;

REVOKE CONNECT ON DATABASE abonent, temporal, temporal_visibility FROM PUBLIC;
