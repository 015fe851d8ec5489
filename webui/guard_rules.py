"""What the guard is told: the settings as its rules.

Knows neither routes nor the page.
"""

import socket

from webui import data_folder, setting_values
from webui.guard import Login, Rules
from webui.settings import Settings


def rules(settings: Settings, icon: str) -> Rules:
    """`icon` is the page's."""
    open_to_network = not setting_values.is_of_this_computer(settings.host)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    # 0.0.0.0 is no name: web pages use it to reach servers of the computer that they are seen on
    own = _own_names() if open_to_network else ()
    named = () if host in ("0.0.0.0", "[::]") else (host,)
    login = Login(settings.accounts, settings.api_auth, icon=icon)
    return Rules(
        host_names=(*settings.host_names, *named, *own),
        own_addresses=open_to_network,
        origins=settings.cors_allow_origins,
        login=login if settings.accounts or settings.api_auth else None,
        uploads=settings.temp_dir,
        outputs=settings.outputs,
        make_room=lambda size: data_folder.sweep(
            settings.temp_dir, max(0, settings.temp_quota - size)
        ),
    )


def _own_names() -> tuple[str, ...]:
    """What this computer is called; nobody is asked, so without the name of its network."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return (name, short, f"{short}.local")
