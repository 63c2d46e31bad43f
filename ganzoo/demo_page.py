"""The page's controls, and what each of them does. What they ask for is in `demo_models`."""

import contextlib
import tempfile

from ganzoo.demo_models import SUFFIXES
from ganzoo.errors import GanzooError


def build_page(gradio, room):
    """Builds the page of a `ganzoo.demo.Showroom` as `gradio.Blocks`."""
    with gradio.Blocks(
        title="ganzoo", analytics_enabled=False, delete_cache=(3600, 3600)
    ) as blocks:
        gradio.Markdown("# ganzoo")
        name = gradio.Dropdown(
            room.names, value=room.names[0], label="Model", elem_id="model", interactive=True
        )
        about = gradio.Markdown(elem_id="about")
        with gradio.Column(visible=False, elem_id="noise") as noise:
            truncation = _noise_controls(gradio, room, name)
        with gradio.Column(visible=False, elem_id="pictures") as pictures:
            direction = _picture_controls(gradio, room, name)

        shown = [about, noise, pictures, truncation, direction]
        choose = _chooser(gradio, room)
        # Not one after another: a model that is downloaded would keep the others waiting.
        blocks.load(choose, name, shown, concurrency_limit=None)
        name.change(choose, name, shown, concurrency_limit=None, trigger_mode="multiple")
    return blocks


def _chooser(gradio, room):
    """Gives the function that fits the page to the model that a reader chooses.

    It returns what to say of the model, and updates of the controls of noise, of those of
    pictures, of the slider of truncation and of the choice of direction.
    """
    from gradio import Request

    chosen = {}  # by each reader, last

    def choose(name, request: Request):  # Gradio gives it to what is annotated so
        reader = request.session_hash
        chosen[reader] = name
        try:
            model = _answer(gradio, room.model, name)
        except gradio.Error as error:
            if chosen[reader] == name:
                raise
            gradio.Warning(error.message)
        if chosen[reader] != name:
            return gradio.skip()  # it was long in coming, and the page shows another by now
        translates = hasattr(model, "translate")
        ways = model.directions if translates else ()
        gaussian = getattr(model, "latent_distribution", "") == "normal"
        return (
            f"{type(model).__name__}, {sum(map(_size, model.networks.values())):,} weights",
            gradio.update(visible=not translates),
            gradio.update(visible=translates),
            gradio.update(visible=gaussian),
            gradio.update(
                choices=[(" to ".join(way.upper()), way) for way in ways],
                value=ways[0] if ways else None,
            ),
        )

    return choose


def _noise_controls(gradio, room, name):
    """Lays out what models offer that start from noise; gives the slider of truncation."""
    truncation = gradio.Slider(
        0.5, 3.0, 3.0, step=0.05, label="Truncation of latents (3: none)", elem_id="truncation"
    )
    with gradio.Row():
        with gradio.Column():
            seed = gradio.Number(1, label="Seed", precision=0, elem_id="seed")
            count = gradio.Slider(1, 64, 16, step=1, label="Images", elem_id="count")
            button = gradio.Button("Generate", variant="primary", elem_id="generate")
        grid = _result(gradio, "Images", "grid")
    button.click(
        lambda *values: _answer(gradio, room.generate, *values),
        [name, count, seed, truncation],
        grid,
    )
    gradio.Markdown("## The walk between two seeds")
    with gradio.Row():
        with gradio.Column():
            first = gradio.Number(1, label="From seed", precision=0, elem_id="first")
            second = gradio.Number(2, label="To seed", precision=0, elem_id="second")
            position = gradio.Slider(0, 1, 0.5, step=0.02, label="Position", elem_id="position")
            show = gradio.Button("Show", elem_id="show")
            film_button = gradio.Button("Film", elem_id="film-button")
        still = _result(gradio, "On the way", "still")
        film = _result(gradio, "There and back", "film", format="gif")

    def step(name, first, second, position, truncation):
        return _answer(gradio, room.walk, name, first, second, [position], truncation)[0]

    ends = [name, first, second]
    show.click(step, [*ends, position, truncation], still)
    position.release(step, [*ends, position, truncation], still)
    film_button.click(_film_maker(gradio, room), [*ends, truncation], film)
    return truncation


def _film_maker(gradio, room):
    """Gives the function that makes a film, whose file lies there until Gradio has copied it."""

    def make_film(name, first, second, truncation):
        with tempfile.TemporaryDirectory(prefix="ganzoo-demo-") as folder:
            yield _answer(gradio, room.film, name, first, second, folder, truncation)

    return make_film


def _picture_controls(gradio, room, name):
    """Lays out what models offer that translate; gives the choice of direction."""
    with gradio.Row():
        upload = gradio.File(
            label="Picture: choose or drag one here",
            file_types=list(SUFFIXES),
            type="filepath",
            elem_id="upload",
        )
        with gradio.Column():
            direction = gradio.Radio([], label="Direction", elem_id="direction")
            button = gradio.Button("Translate", variant="primary", elem_id="translate")
    slider = gradio.ImageSlider(
        label="Before and after", format="png", interactive=False, elem_id="slider"
    )
    with gradio.Row():
        result = _result(gradio, "Translation", "translation")
        back = _result(gradio, "And back again", "back")

    def translate(name, path, direction):
        before, after, restored = _answer(gradio, room.translate, name, path, direction)
        return (before, after), after, restored

    button.click(translate, [name, upload, direction], [slider, result, back])
    return direction


def _result(gradio, label, identity, format="png"):
    """Makes a picture that is shown and can be downloaded."""
    return gradio.Image(
        label=label,
        format=format,
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_id=identity,
    )


def _answer(gradio, function, *values):
    """Calls a function; what the reader can put right is shown to them, without a trace."""
    with _as_message(gradio):
        return function(*values)


@contextlib.contextmanager
def _as_message(gradio):
    try:
        yield
    except GanzooError as error:
        raise gradio.Error(str(error), print_exception=False) from None


def _size(network):
    return network.count_params()
