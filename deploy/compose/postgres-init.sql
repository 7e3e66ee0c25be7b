-- Run once, when the database is made. The gateways' role owns its database and nothing else.
\set password `cat /run/secrets/postgres_gateway_password`
CREATE ROLE modelward LOGIN PASSWORD :'password' CONNECTION LIMIT 64;
CREATE DATABASE modelward OWNER modelward;
REVOKE ALL ON DATABASE modelward FROM PUBLIC;
