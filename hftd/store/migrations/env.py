"""How Alembic runs here: on the connection that hftd/store/database.py hands in."""

from alembic import context

from hftd.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
