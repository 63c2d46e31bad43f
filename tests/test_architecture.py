"""The floors of DESIGN section 3, read off the imports, and the house rules that can be read."""

import ast
import graphlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
# A module of a package has its package's floor, unless it is named itself.
FLOORS = {
    5: """
        ganzoo ganzoo.__main__ ganzoo.cli ganzoo.commands ganzoo.explore_command ganzoo.assignments
        ganzoo.demo ganzoo.demo_models ganzoo.demo_page
    """,
    4: "ganzoo.training ganzoo.explore",
    3: """
        ganzoo.zoo ganzoo.building ganzoo.saving ganzoo.fine_tuning ganzoo.importing
        ganzoo.evaluate
    """,
    2: "ganzoo.models",
    1: """
        ganzoo.adversarial ganzoo.latent_model ganzoo.distribution ganzoo.feeds ganzoo.fitting
        ganzoo.callbacks ganzoo.trainable ganzoo.validation
        ganzoo.exporting ganzoo.export_check ganzoo.export_formats ganzoo.export_runner
        ganzoo.presets ganzoo.cards ganzoo.scores ganzoo.catalogue ganzoo.folders ganzoo.data
        ganzoo.porting ganzoo.sampling ganzoo.translating
        ganzoo.hub ganzoo.hugging_face ganzoo.downloads ganzoo.cache ganzoo.cache_contents
        ganzoo.metrics.extractors ganzoo.metrics.gathering ganzoo.metrics.measures
        ganzoo.metrics.checks ganzoo.metrics.scoring ganzoo.metrics.sides ganzoo.metrics.segmenter
    """,
    0: """
        ganzoo.errors ganzoo.checks ganzoo.plain_yaml ganzoo.schema ganzoo.environment
        ganzoo._version ganzoo.backend ganzoo.quiet ganzoo.files ganzoo.storage ganzoo.pictures
        ganzoo.losses ganzoo.layers ganzoo.equalized ganzoo.normalization ganzoo.reflection
        ganzoo.rectifier ganzoo.shortcuts ganzoo.tracing ganzoo.winograd ganzoo.convolutions
        ganzoo.optimizers ganzoo.rates ganzoo.updates ganzoo.averaging ganzoo.randomness
        ganzoo.replicas
        ganzoo.batches ganzoo.workers ganzoo.serialization ganzoo.metrics ganzoo.weights
    """,
}
FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names.split()}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted((ROOT / "ganzoo").rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def imports(name, tree, modules=MODULES):
    """Lists the modules that a module imports, in its functions too, ours by their full name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in modules else node.module)
        elif isinstance(node, ast.Constant) and MODULES[name].stem == "__init__":
            # A package that imports lazily names its modules in strings.
            found |= {node.value} & (set(modules) - {"ganzoo"})
    return found - {name}


IMPORTS = {name: imports(name, tree) for name, tree in TREES.items()}
OURS = {name: found & set(MODULES) for name, found in IMPORTS.items()}


def floor_of(name):
    """The floor of a module: its own, or that of the nearest package above that has one."""
    while name not in FLOOR_OF:
        name = name.rpartition(".")[0]
        assert name != "ganzoo", "no floor"
    return FLOOR_OF[name]


def upward_imports(ours):
    return [
        f"{name} (floor {floor_of(name)}) imports {other} (floor {floor_of(other)})"
        for name, found in ours.items()
        for other in sorted(found)
        if floor_of(other) > floor_of(name)
    ]


def reach(name, graph):
    """All modules that a module imports, directly or through others."""
    seen, ahead = set(), [name]
    while ahead:
        ahead += graph[ahead.pop()] - seen
        seen |= set(ahead)
    return seen


def test_every_module_has_a_floor_and_every_floor_its_modules():
    packages = {name for name in MODULES if MODULES[name].stem == "__init__"}
    tops = {name for name in MODULES if name.count(".") == 1}
    missing = {name for name in tops if name not in FLOOR_OF}
    assert missing == set(), "give each new module a floor"
    assert set(FLOOR_OF) <= set(MODULES), "these are gone"
    assert packages - set(FLOOR_OF) == {name for name in packages if ".models." in name}


def test_imports_go_down_only():
    assert upward_imports(OURS) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("ganzoo.losses", "from ganzoo.adversarial import AdversarialModel"),
        ("ganzoo.adversarial", "def late():\n    from ganzoo import zoo"),
        ("ganzoo.presets", "import ganzoo.training.run"),
        ("ganzoo.metrics", "_HOMES = {'x': 'ganzoo.metrics.extractors'}"),
        ("ganzoo.models.gan.model", "import ganzoo"),
    ],
)
def test_an_upward_import_would_be_seen(module, line):
    found = imports(module, ast.parse(line)) & set(MODULES)
    assert len(upward_imports({module: found})) == 1


def test_there_are_no_circles():
    # Packages import their modules lazily, which so may import from the package.
    lazy = {name for name in MODULES if MODULES[name].stem == "__init__"}
    graph = {name: found for name, found in OURS.items() if name not in lazy}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def test_families_do_not_know_each_other():
    for name, found in OURS.items():
        family = name.split(".")[2:3]
        if name.startswith("ganzoo.models.") and family:
            others = {item.split(".")[2] for item in found if item.startswith("ganzoo.models.")}
            assert others <= set(family), name


def test_networks_know_neither_losses_nor_tensorflow():
    networks = [name for name in MODULES if name.endswith(".networks")]
    assert len(networks) >= 4
    for name in networks:
        assert "ganzoo.losses" not in reach(name, OURS), name
        assert not {item for item in IMPORTS[name] if item.split(".")[0] == "tensorflow"}, name


def test_the_families_are_built_alike():
    families = {name.split(".")[2] for name in MODULES if name.startswith("ganzoo.models.")}
    for family in families:
        assert {f"ganzoo.models.{family}.{part}" for part in ("networks", "model")} <= set(MODULES)
        names = {
            target.id
            for node in TREES[f"ganzoo.models.{family}"].body
            if isinstance(node, ast.Assign)
            for target in node.targets
        }
        assert {"PAPER", "MODEL"} <= names


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def body_lines(function):
    """Lines of a function's body, without its docstring."""
    documented = ast.get_docstring(function) is not None and len(function.body) > 1
    return function.end_lineno - function.body[documented].lineno + 1


@pytest.mark.parametrize("folder", ["ganzoo", "tools"])
def test_files_and_functions_are_short(folder):
    for path in (ROOT / folder).rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 300, path
        long = {
            function.name: body_lines(function)
            for function in functions(ast.parse(text))
            if body_lines(function) > 40
        }
        assert not long, path


def test_every_module_says_what_it_is_for():
    assert [name for name, tree in TREES.items() if not ast.get_docstring(tree)] == []


def test_only_the_command_line_prints():
    printing = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "tf.print")
    }
    assert printing <= {"ganzoo.cli", "ganzoo.commands", "ganzoo.explore_command"}


def test_no_assertion_stands_for_an_error():
    asserting = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
    }
    assert asserting == set()


@pytest.mark.parametrize("text", ['"model.weights.h5"', "file_digest("])
def test_what_several_need_is_written_once(text):
    holding = [name for name, path in MODULES.items() if text in path.read_text(encoding="utf-8")]
    assert len(holding) <= 1, holding


def test_nothing_that_runs_code_is_imported():
    """No pickle and no shelf: opening a file never runs anything."""
    risky = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
    for name, found in IMPORTS.items():
        assert not {item.split(".")[0] for item in found} & risky, name
