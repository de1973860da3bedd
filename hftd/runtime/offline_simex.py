"""A simulated exchange woken for the offline kill, where nobody runs it any more.

Apart from the rest because it needs what the rest does without: the profile's own model and the
parts that start a process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from pydantic import ValidationError

from hftd.config.schema import Profile
from hftd.errors import HftdError
from hftd.runtime.children import ExchangeProcess
from hftd.runtime.offline_known import Known
from hftd.runtime.paths import InstancePaths

Done = TypeVar("Done")


async def awake(
    known: Known, paths: InstancePaths, tell: Callable[[str], None], work: Callable[[], Done]
) -> Done:
    """Start the profile's exchange on its account, do the work, end the exchange again.

    Raises: HftdError where it does not start.
    """
    try:
        profile = Profile.model_validate(known.profile)
    except ValidationError as error:
        raise HftdError(f"its profile is of another version ({error.error_count()} keys)") from None
    exchange = ExchangeProcess(profile, paths.simex_dir, paths.state_dir / "exchange.log", tell)
    await exchange.start()
    try:
        return await asyncio.to_thread(work)
    finally:
        await exchange.stop()
