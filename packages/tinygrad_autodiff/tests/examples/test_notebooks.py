"""The notebooks are what their scripts make, and the cells of one run in order."""

import json
import runpy

import pytest

SCRIPT = '''# %% [markdown]
"""A title.

Text.
"""

# %%
a = 1  # %% no cut

# %% [markdown]
# ## Then
#
# more

# %% tags=["active-ipynb"]
# # shown
# a + 1

# %% tags=["active-py"]
print(a)
'''


@pytest.fixture
def program(examples):
    return runpy.run_path(str(examples / "notebooks.py"))


def test_they_are_what_the_scripts_make(program, examples):
    scripts = program["scripts"]()
    assert {path.stem for path in scripts} == {path.stem for path in examples.glob("*.ipynb")}
    assert len(scripts) >= 4
    for path in scripts:
        made = path.with_suffix(".ipynb").read_text()
        again = "run: python examples/notebooks.py"
        assert made == program["notebook"](path.read_text()), f"{path.name} has changed; {again}"


def test_a_script_is_cut_into_cells(program):
    assert program["cells"](SCRIPT) == [
        ("markdown", "# A title.\n\nText."),
        ("code", "a = 1  # %% no cut"),
        ("markdown", "## Then\n\nmore"),
        ("code", "# shown\na + 1"),
    ]
    cells = json.loads(program["notebook"](SCRIPT))["cells"]
    assert cells[3]["source"] == ["# shown\n", "a + 1"]
    assert len({cell["id"] for cell in cells}) == 4


@pytest.mark.examples
@pytest.mark.filterwarnings("default")  # other packages' warnings are not ours
def test_the_digits_run_cell_by_cell(examples):
    from matplotlib import pyplot

    pyplot.close("all")
    cells = json.loads((examples / "digits_mlp.ipynb").read_text())["cells"]
    names = {"__name__": "__main__"}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    (figure,) = (pyplot.figure(number) for number in pyplot.get_fignums())
    pyplot.close(figure)
    assert names["share"] >= 0.97
    assert f"{names['share']:.1%} of held-out digits" in figure.axes[0].get_title()
