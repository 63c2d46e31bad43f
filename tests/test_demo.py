"""The demo page: what it asks of models, what it refuses, and the page itself in a browser."""

import asyncio
import concurrent.futures
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import types
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

from ganzoo import demo, demo_models, demo_page, zoo
from ganzoo.errors import DataError, GanzooError, WeightsError

TINY_DCGAN = {
    "model.image_size": 16,
    "model.base_filters": 4,
    "model.latent_dim": 6,
    "model.ema_half_life": None,
}
TINY_CYCLEGAN = {
    "model.base_filters": 4,
    "model.residual_blocks": 1,
    "model.discriminator_filters": 4,
}
MAX_PIXELS, MAX_BYTES = 100_000, 300_000
DOWNLOADED = "progan_celeba128"  # has weights that do not come with the package


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Model folders of a DCGAN and a CycleGAN with lively weights, and one of points."""
    place = tmp_path_factory.mktemp("models")
    random = np.random.default_rng(0)
    for preset, overrides in {
        "dcgan_mnist": TINY_DCGAN,
        "cyclegan_horse2zebra": TINY_CYCLEGAN,
        "gan_ring": {},
    }.items():
        model = zoo.load(preset, weights=False, **overrides)
        for network in model.networks.values():
            for weight in network.trainable_variables:
                values = random.normal(0, 0.3, weight.shape)
                weight.assign(np.exp(values) if "gamma" in weight.path else values)
        zoo.save(model, place / preset.split("_")[0])
    return {path.name: str(path) for path in place.iterdir()}


@pytest.fixture(scope="module")
def room(folders):
    return demo_models.Showroom(folders.values(), max_pixels=MAX_PIXELS)


def write_jpeg(path, width, height):
    pixels = np.random.default_rng(1).integers(0, 255, (height // 8, width // 8, 3), "uint8")
    Image.fromarray(pixels).resize((width, height)).save(path, quality=90)
    return str(path)


class TestShowroom:
    def test_generates_the_grid_of_a_seed(self, room, folders):
        grid = room.generate(folders["dcgan"], 4, 3)
        side = 64
        assert grid.shape == (2 * side + 2, 2 * side + 2, 3)
        images = zoo.load(folders["dcgan"]).generate(4, seed=3)
        np.testing.assert_array_equal(grid[::4, ::4, 0][:16, :16], images[0, ..., 0])
        assert (grid != room.generate(folders["dcgan"], 4, 4)).any()

    def test_truncation_is_off_at_the_end_of_its_slider(self, room, folders):
        plain = room.generate(folders["dcgan"], 4, 3)
        np.testing.assert_array_equal(plain, room.generate(folders["dcgan"], 4, 3, 3.0))
        assert (plain != room.generate(folders["dcgan"], 4, 3, 0.5)).any()

    def test_draws_points_as_a_cloud(self, room, folders):
        assert room.generate(folders["gan"], 1, 0).shape == (256, 256, 3)
        assert room.walk(folders["gan"], 1, 2, [0.5]).shape == (1, 256, 256, 3)

    def test_walks_from_one_seeds_image_to_the_others(self, room, folders):
        start, middle, end = room.walk(folders["dcgan"], 1, 2, [0, 0.5, 1])
        model = zoo.load(folders["dcgan"])
        for image, seed in ((start, 1), (end, 2)):
            expected = model.generate(1, seed=seed)[0].astype(int)
            assert np.abs(image[::16, ::16, :1].astype(int) - expected).max() <= 1
        assert (middle != start).any()
        assert (middle != end).any()

    def test_walks_in_trained_generators_only(self, room, folders, monkeypatch):
        model = room.model(folders["dcgan"])
        monkeypatch.setattr(model, "trained", frozenset({"discriminator"}))
        with pytest.raises(WeightsError, match="for discriminator only, and not for its generator"):
            room.walk(folders["dcgan"], 1, 2, [0.5])

    def test_writes_a_film_there_and_back(self, room, folders, tmp_path):
        path = room.film(folders["dcgan"], 1, 2, tmp_path)
        with Image.open(path) as film:
            assert film.n_frames == 2 * 24 - 2
            assert film.info["loop"] == 0

    def test_translates_and_comes_back(self, room, folders, tmp_path):
        path = write_jpeg(tmp_path / "a.jpg", 90, 61)
        before, after, back = room.translate(folders["cyclegan"], path, "ab")
        model = zoo.load(folders["cyclegan"])
        assert before.shape == after.shape == back.shape == (61, 90, 3)
        np.testing.assert_array_equal(after, model.translate(before, "ab"))
        np.testing.assert_array_equal(back, model.translate(after, "ba"))

    def test_offers_the_trained_directions_only(self, folders):
        model = zoo.load(folders["cyclegan"])
        assert model.directions == ("ab", "ba")
        model.trained = frozenset({"generator_ba"})
        assert model.directions == ("ba",)

    def test_what_is_no_picture_is_said(self, room, folders, tmp_path):
        with pytest.raises(DataError, match="no picture yet"):
            room.translate(folders["cyclegan"], None, "ab")
        (tmp_path / "b.jpg").write_bytes(b"no picture")
        with pytest.raises(DataError, match="no picture that can be read"):
            room.translate(folders["cyclegan"], tmp_path / "b.jpg", "ab")
        whole = write_jpeg(tmp_path / "c.jpg", 64, 64)
        content = (tmp_path / "c.jpg").read_bytes()
        (tmp_path / "c.jpg").write_bytes(content[: len(content) // 2])
        with pytest.raises(DataError, match="damaged"):
            room.translate(folders["cyclegan"], whole, "ab")

    def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(
        self, tmp_path, monkeypatch
    ):
        path = write_jpeg(tmp_path / "d.jpg", 400, 400)
        monkeypatch.setattr("ganzoo.data.decoding.read_image", None)
        with pytest.raises(DataError, match="400×400 pixels, and up to 0.1 million"):
            demo_models.open_upload(path, 3, MAX_PIXELS)

    @pytest.mark.parametrize("value", [None, 2**31, float("nan")])
    def test_a_seed_out_of_range_is_said(self, room, folders, value):
        with pytest.raises(GanzooError, match="The seed is"):
            room.generate(folders["dcgan"], 4, value)

    def test_more_images_than_the_page_draws_are_refused(self, room, folders):
        with pytest.raises(GanzooError, match="draws 1 to 64 images of this model, and not 65"):
            room.generate(folders["dcgan"], 65, 1)

    def test_of_large_images_it_draws_fewer(self, folders, monkeypatch):
        room = demo_models.Showroom([folders["dcgan"]])
        monkeypatch.setattr(demo_models, "_MOST_GRID_PIXELS", 5 * 16 * 16)
        assert room.generate(folders["dcgan"], 5, 1).ndim == 3
        with pytest.raises(GanzooError, match="draws 1 to 5 images of this model, and not 6"):
            room.generate(folders["dcgan"], 6, 1)

    def test_a_model_that_is_not_in_its_list_is_not_opened(self, room):
        with pytest.raises(GanzooError, match="does not show '/etc'"):
            room.generate("/etc", 1, 1)

    def test_a_download_keeps_only_those_waiting_who_chose_it(self, folders, monkeypatch):
        asked, arrived = threading.Event(), threading.Event()

        def fetch(preset, offline=None):
            asked.set()
            assert arrived.wait(60)
            raise WeightsError(f"{preset.name} stalled. Try again.")

        monkeypatch.setattr(zoo, "fetch_trained", fetch)
        room = demo_models.Showroom([DOWNLOADED, folders["gan"]])
        with concurrent.futures.ThreadPoolExecutor() as pool:
            long = pool.submit(room.model, DOWNLOADED)
            try:
                assert asked.wait(60)
                assert pool.submit(room.model, folders["gan"]).result(60).image_shape == (2,)
                assert not long.done()
            finally:
                arrived.set()
            with pytest.raises(WeightsError, match=f"{DOWNLOADED} stalled"):
                long.result(60)

    def test_what_was_fetched_is_loaded_without_the_network(self, folders, monkeypatch):
        loads, plain = [], zoo.load
        monkeypatch.setattr(
            zoo, "load", lambda *names, **options: loads.append(options) or plain(*names, **options)
        )
        room = demo_models.Showroom([folders["gan"]])
        assert room.model(folders["gan"]) is room.model(folders["gan"])
        assert loads == [{"offline": True}]


@pytest.mark.parametrize("arrives", [True, False])
def test_what_is_long_in_coming_leaves_the_page_to_what_was_chosen_since(arrives, folders):
    gradio = pytest.importorskip("gradio", reason="the page needs Gradio (extra demo)")
    reader = types.SimpleNamespace(session_hash="one")
    model = zoo.load(folders["gan"])

    class Room:
        def model(self, name):
            if name == "long":
                shown.append(choose("short", reader))  # while this one is still to come
                choose("other", types.SimpleNamespace(session_hash="another reader"))
                if not arrives:
                    raise GanzooError("It cannot be had. Choose another.")
            return model

    shown, choose = [], demo_page._chooser(gradio, Room())
    if arrives:
        assert choose("long", reader) == gradio.skip()
    else:
        with pytest.warns(UserWarning, match="It cannot be had"):
            assert choose("long", reader) == gradio.skip()
    assert [answer[0] for answer in shown] == ["VanillaGAN, 51,333 weights"]


def test_what_cannot_be_had_is_an_error_to_who_still_wants_it(room):
    gradio = pytest.importorskip("gradio", reason="the page needs Gradio (extra demo)")
    choose = demo_page._chooser(gradio, room)
    with pytest.raises(gradio.Error, match="does not show 'absent'"):
        choose("absent", types.SimpleNamespace(session_hash="one"))


def test_a_page_opens_on_a_model_that_needs_no_network():
    shipped = ["cyclegan_horse2zebra128", "cyclegan_textures", "dcgan_fashion_mnist"]
    shipped += ["dcgan_mnist", "gan_mnist", "gan_ring", "progan_celeba64", "progan_mnist"]
    names = demo._names_to_show(None)
    assert names[: len(shipped)] == shipped
    assert sorted(names) == sorted(zoo.list_presets(pretrained=True))
    assert DOWNLOADED in names


def test_what_is_no_model_is_told_before_the_page_opens(folders, tmp_path, fails):
    pytest.importorskip("gradio", reason="the page needs Gradio (extra demo)")
    message = fails("demo", "dcgan_mnist", "dcgan_mnits")
    assert message.startswith("There is no preset named 'dcgan_mnits'. Did you mean 'dcgan_mnist' ")
    assert "'dcgan_celeba64' has no trained weights yet" in fails("demo", "dcgan_celeba64")
    assert "a folder without a model" in fails("demo", tmp_path)
    shutil.copytree(folders["gan"], tmp_path / "gan")
    (tmp_path / "gan" / "preset.yaml").write_text("family: gan\n")
    assert "gan is damaged: preset.yaml is absent" in fails("demo", tmp_path / "gan")


def test_models_to_show_are_named_by_a_path_or_several(folders):
    assert demo._names_to_show(pathlib.Path(folders["gan"])) == [folders["gan"]]
    assert demo._names_to_show(["dcgan_mnist", folders["gan"]]) == ["dcgan_mnist", folders["gan"]]
    with pytest.raises(GanzooError, match=r"no model to show\. Name a model folder: ganzoo demo F"):
        demo._names_to_show([])


@pytest.mark.parametrize("given", [None, GanzooError("There is no film. Choose another.")])
def test_a_film_lies_there_until_it_is_copied(tmp_path, monkeypatch, given):
    gradio = pytest.importorskip("gradio", reason="the page needs Gradio (extra demo)")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    class Room:
        def film(self, name, first, second, folder, truncation):
            path = pathlib.Path(folder) / f"{name}-{first}-{second}-{truncation}.gif"
            path.write_bytes(b"GIF")
            if given:
                raise given
            return str(path)

    made = demo_page._film_maker(gradio, Room())("a", 1, 2, 3.0)
    if given:
        with pytest.raises(gradio.Error, match="There is no film"):
            next(made)
    else:
        path = pathlib.Path(next(made))
        assert (path.name, path.read_bytes()) == ("a-1-2-3.0.gif", b"GIF")
        assert list(made) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("bound", "host", "origin", "status"),
    [
        ("127.0.0.1", "127.0.0.1:7860", None, 200),
        ("127.0.0.1", "127.0.0.1:7860", "http://127.0.0.1:7860", 200),
        ("127.0.0.1", "localhost:8000", "http://localhost:8000", 200),  # through a tunnel
        ("127.0.0.1", "LOCALHOST:8000", "http://localhost:8000", 200),
        ("::1", "[::1]:7860", "http://[::1]:7860", 200),
        ("192.168.1.5", "192.168.1.5:7860", "http://192.168.1.5:7860", 200),
        ("0.0.0.0", "gans.example", "https://gans.example", 200),
        ("127.0.0.1", "127.0.0.1:7860", "https://evil.example", 403),
        ("127.0.0.1", "127.0.0.1:7860", "http://127.0.0.1:8888", 403),
        ("127.0.0.1", "127.0.0.1:7860", "null", 403),
        ("127.0.0.1", "127.0.0.1:7860", "http://[", 403),
        ("127.0.0.1", "evil.example:7860", None, 403),
        ("127.0.0.1", "evil.example:7860", "http://evil.example:7860", 403),
        ("127.0.0.1", "localhost.evil.example", None, 403),
        ("127.0.0.1", "[", None, 403),
        ("192.168.1.5", "evil.example:7860", "http://evil.example:7860", 403),
        ("0.0.0.0", "gans.example", "https://evil.example", 403),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_sites_send_nothing_to_the_page(bound, host, origin, status, method):
    responses = pytest.importorskip("starlette.responses", reason="it comes with Gradio")
    headers = {b"host": host, b"origin": origin}
    headers = [(name, value.encode()) for name, value in headers.items() if value]
    scope = {"type": "http", "method": method, "path": "/", "headers": headers}
    sent = []

    async def send(message):
        sent.append(message)

    guarded = demo._own_content_only(bound).cls(responses.PlainTextResponse("in"))
    asyncio.run(guarded(scope, None, send))
    head, body = sent
    assert head["status"] == status
    assert (body["body"] == b"in") == (status == 200)
    assert (b"takes nothing from other sites" in body["body"]) == (status == 403)
    assert dict(head["headers"])[b"content-security-policy"].startswith(b"default-src 'self'")


def test_a_page_needs_a_model(monkeypatch):
    monkeypatch.setattr("ganzoo.presets.find_presets", lambda **_: [])
    with pytest.raises(GanzooError, match="Name a model folder: ganzoo demo FOLDER"):
        demo._names_to_show(None)


SERVER = """
import sys
from ganzoo import demo
page = demo.launch(sys.argv[3:], max_bytes=int(sys.argv[1]), max_pixels=int(sys.argv[2]))
print("READY", page.url, flush=True)
page.wait()
"""


@pytest.fixture(scope="module")
def silent_proxy():
    """The address of a proxy that takes what is sent to it, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture(scope="module")
def server(folders, silent_proxy, tmp_path_factory):
    """A page of both models, and of one whose download stalls, in a process of its own; gives
    its address and its log."""
    pytest.importorskip("gradio", reason="the page needs Gradio (extra demo)")
    command = [sys.executable, "-c", SERVER, str(MAX_BYTES), str(MAX_PIXELS)]
    home = str(tmp_path_factory.mktemp("home"))
    process = subprocess.Popen(
        [*command, folders["dcgan"], folders["cyclegan"], DOWNLOADED],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"https_proxy": silent_proxy, "GANZOO_HOME": home},
    )
    log = []
    for line in process.stdout:
        log.append(line)
        if line.startswith("READY"):
            break
    else:
        pytest.fail("".join(log))
    yield log[-1].split()[1], log
    process.terminate()
    log.append(process.communicate(timeout=30)[0])
    assert "Traceback" not in "".join(log)


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium that records what it asks for."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no Chromium with its chromedriver is installed")
    webdriver = pytest.importorskip("selenium.webdriver", reason="Selenium is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1200,1400",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = webdriver.ChromeService(driver)
    window = webdriver.Chrome(options=options, service=service)
    yield window
    window.quit()


class Reader:
    """Someone in front of the page."""

    def __init__(self, browser, url):
        from selenium.webdriver.support.ui import WebDriverWait

        self.browser, self.url = browser, url
        self.wait = WebDriverWait(browser, 60)

    def find(self, selector):
        from selenium.common.exceptions import StaleElementReferenceException

        found = self.browser.find_elements("css selector", selector)
        try:
            return next((item for item in found if item.is_displayed()), None)
        except StaleElementReferenceException:  # gone while it was looked at
            return None

    def see(self, selector):
        return self.wait.until(lambda _: self.find(selector))

    def click(self, selector):
        self.see(selector).click()

    def type(self, selector, text):
        field = self.see(selector)
        field.clear()
        field.send_keys(text)

    def choose_model(self, name):
        self.click("#model input")
        self.see(f"li[data-value='{name}'], li[aria-label='{name}']").click()

    def upload(self, path):
        clear = self.find("#upload button[aria-label='Clear'], #upload button[title='Clear']")
        if clear:
            clear.click()
        self.wait.until(
            lambda browser: browser.find_elements("css selector", "#upload input[type=file]")
        )[0].send_keys(path)

    def picture(self, selector, other_than=None):
        """Waits for a picture other than one seen before; gives its address and its pixels."""

        def address(_):
            image = self.find(f"{selector} img")
            source = image and image.get_attribute("src")
            return source if source and source != other_than else None

        source = self.wait.until(address)
        with urllib.request.urlopen(source) as answer:
            return source, np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGB"))

    def message(self):
        """Waits for a message, closes it, and gives its text."""
        toast = self.see("[data-testid='toast-body'], .toast-body")
        text = toast.text
        toast.find_element("css selector", "button").click()
        self.wait.until(lambda _: not self.find("[data-testid='toast-body'], .toast-body"))
        return text


@pytest.fixture
def reader(browser, server):
    url, _ = server
    browser.get(url)
    return Reader(browser, url)


class TestPage:
    def test_generate_shows_the_models_images_and_other_ones_for_another_seed(
        self, reader, folders, room
    ):
        reader.click("#generate")
        first, pixels = reader.picture("#grid")
        np.testing.assert_array_equal(pixels, room.generate(folders["dcgan"], 16, 1))
        reader.type("#seed input", "2")
        reader.click("#generate")
        _, pixels = reader.picture("#grid", other_than=first)
        np.testing.assert_array_equal(pixels, room.generate(folders["dcgan"], 16, 2))

    def test_walk_shows_a_still_and_a_film(self, reader, folders, room):
        reader.click("#show")
        _, pixels = reader.picture("#still")
        np.testing.assert_array_equal(pixels, room.walk(folders["dcgan"], 1, 2, [0.5])[0])
        reader.click("#film-button")
        source, _ = reader.picture("#film")
        assert source.endswith(".gif")

    def test_translates_an_uploaded_jpeg_and_back(self, reader, folders, room, tmp_path):
        path = write_jpeg(tmp_path / "photo.jpg", 120, 80)
        reader.choose_model(folders["cyclegan"])
        reader.see("#translate")
        assert reader.find("#generate") is None
        reader.upload(path)
        reader.see("#upload .file-preview, #upload a[download]")
        reader.click("#translate")
        before, after, back = room.translate(folders["cyclegan"], path, "ab")
        np.testing.assert_array_equal(reader.picture("#translation")[1], after)
        np.testing.assert_array_equal(reader.picture("#back")[1], back)
        np.testing.assert_array_equal(reader.picture("#slider")[1], before)

    def test_a_download_that_stalls_keeps_no_other_model_waiting(self, reader, folders, room):
        reader.see("#generate")
        reader.choose_model(DOWNLOADED)
        reader.choose_model(folders["cyclegan"])
        reader.see("#translate")
        assert reader.find("#generate") is None
        reader.choose_model(folders["dcgan"])
        reader.click("#generate")
        _, pixels = reader.picture("#grid")
        np.testing.assert_array_equal(pixels, room.generate(folders["dcgan"], 16, 1))

    def test_wrong_and_large_files_get_a_message(self, reader, folders, tmp_path):
        reader.choose_model(folders["cyclegan"])
        reader.click("#translate")
        assert "There is no picture yet" in reader.message()
        (tmp_path / "b.jpg").write_bytes(b"no picture")
        reader.upload(str(tmp_path / "b.jpg"))
        reader.see("#upload .file-preview, #upload a[download]")
        reader.click("#translate")
        assert "no picture that can be read" in reader.message()
        reader.upload(write_jpeg(tmp_path / "d.jpg", 400, 400))
        reader.wait.until(lambda _: "d.jpg" in reader.see("#upload").text.replace("\n", ""))
        reader.click("#translate")
        assert "400×400 pixels" in reader.message()
        (tmp_path / "e.jpg").write_bytes(b"\xff\xd8" + bytes(MAX_BYTES))
        reader.upload(str(tmp_path / "e.jpg"))
        assert "maximum allowed size" in reader.message()

    def test_asks_nothing_of_other_servers(self, reader):
        reader.see("#generate")
        asked, refused = set(), []
        for entry in reader.browser.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                asked.add(event["params"]["request"]["url"])
        for entry in reader.browser.get_log("browser"):
            if "Content Security Policy" in entry["message"]:
                refused.append(entry["message"])
        assert len([url for url in asked if url.startswith(reader.url)]) > 20
        assert [
            url for url in asked if not url.startswith((reader.url, "data:", "blob:", "chrome"))
        ] == []
        assert refused == []

    def test_binds_the_given_address_only(self, server):
        url, _ = server
        host, port = url.removeprefix("http://").rstrip("/").split(":")
        assert host == "127.0.0.1"
        with pytest.raises(ConnectionRefusedError, match="refused"):
            socket.create_connection(("127.0.0.2", int(port)), timeout=5).close()

    def test_refuses_an_upload_of_another_site(self, server):
        request = urllib.request.Request(f"{server[0]}gradio_api/upload", b"", method="POST")
        request.add_header("Origin", "https://evil.example")
        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            urllib.request.urlopen(request)
        refused.value.close()

    def test_forbids_the_browser_what_is_not_its_own(self, server):
        with urllib.request.urlopen(server[0]) as answer:
            assert answer.headers["content-security-policy"].startswith("default-src 'self'")
            assert b"fonts.googleapis" not in answer.read()
