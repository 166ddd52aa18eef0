"""driftmon notify: the on-call hooks, tried one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, load_deployment
from monitor.cli.show import console, print_json
from monitor.errors import ConfigError, EdgeError

if TYPE_CHECKING:
    from monitor.messages import Message, Receipt
    from monitor.telling import Route

app = typer.Typer(help="The on-call hooks.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _hooks() -> None:
    """Try the on-call hooks."""


@app.command("test")
def try_hook(
    name: Annotated[str, typer.Argument(help="The hook's name in `notify`.")],
    resolve: Annotated[bool, typer.Option(help="Resolve the test at once, where the hook can.")] = True,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Send a message that says it is a test, through one hook, now: one that pages will page."""
    from monitor.notifiers.notice import Links, compose_test

    deployment = load_deployment(config)
    routes = {route.name: route for route in deployment.routes}
    if name not in routes:
        known = f"there are {', '.join(sorted(routes))}" if routes else "the configuration has no `notify`"
        raise ConfigError(f"no hook {name!r}; {known}")
    links = Links(deployment.config.links.runbook, deployment.config.links.page)
    now = datetime.now(UTC)
    _send(routes[name], compose_test(name, now, links))
    resolved = resolve and not getattr(routes[name].notifier, "endless", False)
    if resolved:
        _send(routes[name], compose_test(name, now, links, "resolved"))
    if as_json:
        print_json({"notifier": name, "delivered": True, "resolved": resolved})
    else:
        console().print(f"{name}: delivered" + (" and resolved" if resolved else ""), markup=False)


def _send(route: Route, message: Message) -> Receipt:
    receipt = route.notifier.send(message)
    if receipt.result != "delivered":
        raise EdgeError(f"{route.name}: not delivered: {receipt.reason}")
    return receipt
