"""What a Temporal that others run needs before the product can work on it."""

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from models.contracts.engine import SEARCH_ATTRIBUTES


async def register_search_attributes(client: Client) -> list[str]:
    """Make the search attributes that are missing in the client's namespace; answers their names.

    Raises:
        RPCError: Temporal is away, or does not let this client do it.
    """
    listed = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    missing = [name for name in SEARCH_ATTRIBUTES if name not in listed.custom_attributes]
    if missing:
        keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
        try:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(
                    namespace=client.namespace, search_attributes=dict.fromkeys(missing, keyword)
                )
            )
        except RPCError as error:
            # Somebody else was quicker.
            if error.status != RPCStatusCode.ALREADY_EXISTS:
                raise
    return missing
