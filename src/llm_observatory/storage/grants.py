"""Who may do what with a relation: told before it is made anew, and given again afterwards."""

from __future__ import annotations

from llm_observatory.storage.connection import AsyncConnection

_GRANTS = """
SELECT format('GRANT %%s ON %%I TO %%s%%s', privilege_type, %s::text,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_class c, aclexplode(c.relacl)
WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relname = %s AND grantee <> c.relowner
"""


async def grants_on(connection: AsyncConnection, relation: str, successor: str) -> list[str]:
    """For everything that others than the owner may do with `relation`: the GRANT that lets them do it with `successor`."""
    return [grant for (grant,) in await (await connection.execute(_GRANTS, [successor, relation])).fetchall()]


async def run_grants(connection: AsyncConnection, grants: list[str]) -> None:
    """Run what `grants_on` said."""
    for grant in grants:
        await connection.execute(grant.encode())
