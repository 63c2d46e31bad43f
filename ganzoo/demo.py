"""A page for the browser: generate, walk between seeds, translate, download.

It is served from this machine alone and fetches nothing from elsewhere.
"""

import os
import threading
import urllib.parse

from ganzoo import presets, zoo
from ganzoo.checks import check_whole
from ganzoo.demo_models import MAX_PIXELS, Showroom
from ganzoo.demo_page import build_page
from ganzoo.errors import GanzooError, require_extra

MAX_BYTES = 10 * 2**20
# What the browser may load: this server's own files, and what the page makes itself.
_POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; form-action 'none'"
_LOCAL = ("localhost", "127.0.0.1", "::1")
_EVERY_ADDRESS = ("0.0.0.0", "::")
_REFUSAL = (
    "This page takes nothing from other sites, and answers by the address that it is bound to. "
    "Open it by that address, or bind it to yours: ganzoo demo --host ADDRESS"
)


def launch(
    names=None,
    *,
    host="127.0.0.1",
    port=None,
    open_browser=False,
    max_bytes=MAX_BYTES,
    max_pixels=MAX_PIXELS,
):
    """Starts the page.

    Args:
        names: A preset, model folder or run folder to show, or a list of them; every preset
            with trained weights by default, and those that come with the package first.
        host: The address to bind, and no other; 127.0.0.1 is this machine only. Requests have
            to name it, or localhost; 0.0.0.0 takes any name, as behind a proxy that passes on
            which host was asked for.
        port: The port; None takes the first free one from 7860.
        open_browser: Open the page in the browser.
        max_bytes: Largest upload.
        max_pixels: Largest picture.

    Returns:
        A running `Page`.

    Raises:
        GanzooError: There is no model to show, a name means none, or the port is none or taken.
        MissingExtraError: Gradio is not installed (extra `demo`).
    """
    if port is not None:
        check_whole("port", port, most=2**16 - 1)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    gradio = require_extra("gradio", "demo")
    room = Showroom(_names_to_show(names), max_pixels)
    blocks = build_page(gradio, room)
    try:
        _, url, _ = blocks.launch(
            server_name=host,
            server_port=port,
            inbrowser=open_browser,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            footer_links=[],
            max_file_size=max_bytes,
            enable_monitoring=False,
            app_kwargs={"middleware": [_own_content_only(host)]},
            theme=_local_theme(gradio),
        )
    except OSError as error:
        raise GanzooError(
            f"The page cannot be served at {host}, port {port or '7860 to 7959'}: {error}. "
            "Choose another port."
        ) from error
    return Page(blocks, url)


class Page:
    """A running page.

    Attributes:
        url: Where it is.
    """

    def __init__(self, blocks, url):
        self._blocks = blocks
        self.url = url

    def wait(self):
        """Serves until the process is interrupted."""
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            self.close()

    def close(self):
        """Stops serving."""
        self._blocks.close(verbose=False)


def _names_to_show(names):
    """Lists the models of a page, once every name is known to mean one that is trained."""
    if names is None:
        found = [presets.read_preset(name) for name in presets.find_presets(pretrained=True)]
        # The page opens on the first, which should need no network.
        found.sort(key=lambda preset: not preset.ships)
        listed = [preset.name for preset in found]
    else:
        single = isinstance(names, str | os.PathLike)
        listed = [str(name) for name in ([names] if single else names)]
    if not listed:
        raise GanzooError("There is no model to show. Name a model folder: ganzoo demo FOLDER")
    for name in listed:
        preset, folder = zoo.find(name)
        if not folder:
            zoo.refuse_untrained(preset)
    return listed


def _local_theme(gradio):
    """A theme whose fonts are those of the reader's system; others would be fetched."""
    plain, mono = gradio.themes.Font("sans-serif"), gradio.themes.Font("monospace")
    return gradio.themes.Default(font=[plain], font_mono=[mono])


def _own_content_only(host):
    """Middleware that refuses what other sites send to the page, or load into it.

    Args:
        host: The address that the page is bound to.
    """
    from starlette.middleware import Middleware
    from starlette.responses import PlainTextResponse

    class OwnContentOnly:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            async def send_with_policy(message):
                if message["type"] == "http.response.start":
                    message["headers"].append((b"content-security-policy", _POLICY.encode()))
                await send(message)

            refused = scope["type"] == "http" and not _is_own(dict(scope["headers"]), host)
            answer = PlainTextResponse(_REFUSAL, 403) if refused else self.app
            await answer(scope, receive, send_with_policy)

    return Middleware(OwnContentOnly)


def _is_own(headers, host):
    """Says whether a request asks for the page by a name of its own, and from no other site.

    A browser sends forms and files of any site to here; and a site's own name may come to mean
    this machine once its page is loaded.
    """
    asked = headers.get(b"host", b"").decode("latin1").lower()
    origin = headers.get(b"origin", b"").decode("latin1").lower()
    try:
        name = urllib.parse.urlsplit(f"//{asked}").hostname
        foreign = bool(origin) and urllib.parse.urlsplit(origin).netloc != asked
    except ValueError:  # no address at all
        return False
    return not foreign and (host in _EVERY_ADDRESS or name in (host.lower(), *_LOCAL))
