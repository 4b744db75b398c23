"""
Day 03: Computational graphs
============================
Estimated time: 1-2 hours
Prerequisites: Day 02

Learning objectives:
- write a computation down as a graph of nodes, and put its nodes into an order that can be run
- do it without recursion, so that a graph may be a million nodes deep
- accumulate adjoints backwards through a graph in which values are used more than once
- count the work of forward and of reverse mode, and choose the cheaper one for a whole Jacobian

Background:
Yesterday's computations were chains. Real ones branch and meet: a value is used in several places,
and several values flow into one. Such a computation is a **directed acyclic graph**. Its *leaves*
are the inputs, every other *node* is one operation on earlier nodes. Today a graph is a dictionary

    graph = {
        "s": ("add", "x", "y"),     # s = x + y
        "p": ("mul", "s", "s"),     # p = s · s
        "q": ("sin", "p"),          # q = sin p
    }

from the name of a node to its operation and the names of its inputs; a name that is no key is a
leaf. The dictionary may list the nodes in any order.

To **evaluate** the graph, every node must wait for its inputs. An order in which each node stands
behind all of its inputs is a **topological order**. A depth-first walk from the output gives one:
a node is finished when all of its inputs are, and the order of finishing is the order to run. The
walk is usually written as a recursive function, and that function dies at a thousand nodes of
depth, where Python's stack ends; a recurrent network over a long text is deeper. So keep the stack
yourself: push a node, and push it once more, marked, so that it comes back when everything above it
is done.

**Reverse accumulation.** Let v̄ be the adjoint of v, dz/dv for the chosen output z. A value that is
used in several places reaches z along several ways, and over ways derivatives are summed:

    v̄ = Σ over the uses u of v:  ū · ∂u/∂v

The sum is complete only when *all* uses have been dealt with. Walk the topological order backwards,
and it always is: start with z̄ = 1, and let every node u hand ū · ∂u/∂v to each of its inputs v,
**adding** to what is there already. (Setting instead of adding is the classic mistake, and it goes
unnoticed until a value is used twice.) A node may use the same input twice, as p uses s: both
uses count. Every edge of the graph is passed once, whatever the number of leaves.

The naive way, following every path from z to x on its own, is right too, and hopeless: with
x₁ = x₀ + x₀, x₂ = x₁ + x₁, … there are 2ⁿ paths after n steps, but only 2n edges.

**What it costs.** One forward pass carries a direction of the leaves to the rates of all nodes, and
one reverse pass carries an output back to the adjoints of all nodes; each passes every edge once.
A Jacobian of m outputs by n inputs takes

    n forward passes (a column each)    or    m reverse passes (a row each).

One loss and a billion weights: reverse. Three inputs and a thousand outputs: forward. (In between,
mixtures can beat both; finding the best order is NP-complete: Naumann 2008.) Reverse mode keeps all
values until the way back needs them, and pays in memory what it saves in time.

To read: Griewank & Walther, *Evaluating Derivatives* (2nd ed., SIAM 2008), chapters 2 to 4; Baydin,
Pearlmutter, Radul & Siskind, *Automatic Differentiation in Machine Learning: a Survey* (JMLR 18,
2018), section 3; Kahn, *Topological sorting of large networks* (CACM 5, 1962); Naumann, *Optimal
Jacobian accumulation is NP-complete* (Mathematical Programming 112, 2008). The professional
versions: `torch/csrc/autograd/engine.cpp`, which counts the uses of every node instead of walking
first, and `tinygrad_autodiff/engine.py`, which numbers nodes as they are made: an edge leads to a
smaller number, so the largest number first is a topological order already.

Hints:
- Draw the three-node graph above, and write dz/d· beside every node by hand.
- Print the order that your walk gives before you use it.
- Run this file (python day03.py) to see what a pass costs on a graph that doubles.
"""

import math

# Each operation: its value, and its partial derivatives by its inputs, as a tuple.
OPERATIONS = {
    "add": (lambda a, b: a + b, lambda a, b: (1.0, 1.0)),
    "sub": (lambda a, b: a - b, lambda a, b: (1.0, -1.0)),
    "mul": (lambda a, b: a * b, lambda a, b: (b, a)),
    "div": (lambda a, b: a / b, lambda a, b: (1 / b, -a / b**2)),
    "sin": (math.sin, lambda a: (math.cos(a),)),
    "exp": (math.exp, lambda a: (math.exp(a),)),
    "tanh": (math.tanh, lambda a: (1 - math.tanh(a) ** 2,)),
}


# Exercise 1: an order that can be run
def topological_order(graph, output):
    """The nodes that `output` depends on, each behind all of its inputs.

    Args:
        graph: dict from a node to (operation, input, …).
        output: name of a node, or of a leaf.

    Returns:
        List of nodes, without leaves, each once; it ends with output (empty for a leaf).

    Raises:
        ValueError: the graph has a cycle that output depends on.
    """
    # TODO: walk from the output to the leaves with a stack of your own. A node goes onto the list
    #   when it comes off the stack for the second time.
    # HINT: stack = [(output, False)]; the flag says whether the node's inputs have been dealt with
    # HINT: popped with False: push (node, True), then (input, False) for every input. Popped with
    #   True: the node is finished
    # HINT: skip leaves and finished nodes. A node that is met with False while it is open (begun,
    #   not finished) is on a cycle
    # SOLUTION
    order, finished, begun = [], set(), set()
    stack = [(output, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            finished.add(node)
            order.append(node)
        elif node in graph and node not in finished:
            if node in begun:
                raise ValueError(f"a cycle leads through {node!r}")
            # MUTANT: pass
            begun.add(node)
            stack.append((node, True))
            stack.extend((name, False) for name in graph[node][1:])
            # MUTANT: stack.append((graph[node][1], False))
    return order
    # MUTANT: return order[::-1]
    # MUTANT: return [name for name in graph if name in finished]
    # END SOLUTION


# Exercise 2: forward
def evaluate(graph, leaves, output):
    """Values of everything that `output` depends on.

    Args:
        graph: as in exercise 1.
        leaves: dict from leaf to float. It is left unchanged.
        output: name of a node or leaf.

    Returns:
        Dict from name to float: all leaves, and every node of topological_order(graph, output).
        Each operation is called once.
    """
    # TODO: start from the leaves; run the nodes in order, and keep every value
    # HINT: values = dict(leaves) is a copy
    # HINT: function, _ = OPERATIONS[operation]; call it with the values of the node's inputs
    # SOLUTION
    values = dict(leaves)
    # MUTANT: values = leaves
    for node in topological_order(graph, output):
        operation, *inputs = graph[node]
        function, _ = OPERATIONS[operation]
        values[node] = function(*(values[name] for name in inputs))
        # MUTANT: values[node] = function(*(values[name] for name in sorted(inputs)))
    return values
    # MUTANT: return {name: value for name, value in values.items() if name not in leaves}
    # END SOLUTION


# Exercise 3: backward
def adjoints(graph, values, output):
    """Derivatives of `output` by everything it depends on, in one reverse pass.

    Args:
        graph: as in exercise 1.
        values: what evaluate returned.
        output: name of a node or leaf.

    Returns:
        Dict from name to d output / d name, for the nodes and leaves that output depends on,
        output itself included (1.0). Every edge is passed once.
    """
    # TODO: z̄ = 1; walk the order backwards; every node adds its share to each of its inputs
    # HINT: result.get(name, 0.0) is what has arrived at a name so far
    # HINT: partials = OPERATIONS[operation][1](*input values): one for each input, in order
    # HINT: zip(inputs, partials) runs over uses, so a node that uses an input twice adds twice
    # SOLUTION
    result = {output: 1.0}
    # MUTANT: result = {output: values[output]}
    for node in reversed(topological_order(graph, output)):
        operation, *inputs = graph[node]
        partials = OPERATIONS[operation][1](*(values[name] for name in inputs))
        for name, partial in zip(inputs, partials, strict=True):
            result[name] = result.get(name, 0.0) + result[node] * partial
            # MUTANT: result[name] = result[node] * partial
            # MUTANT: result[name] = result.get(name, 0.0) + partial
            # MUTANT: result[name] = result.get(name, 1.0) * result[node] * partial
    return result
    # END SOLUTION


# Exercise 4: forward mode
def tangents(graph, values, output, direction):
    """Rates of change of everything that `output` depends on, in one forward pass.

    Args:
        graph: as in exercise 1.
        values: what evaluate returned.
        output: name of a node or leaf.
        direction: dict from leaf to its rate of change; leaves that are not in it rest.

    Returns:
        Dict from name to rate: what is in direction, and every node of the order.
    """
    # TODO: the same partial derivatives as in exercise 3, passed from the inputs to the node
    # HINT: the rate of a node is the sum over its inputs of partial · rate
    # HINT: rates.get(name, 0.0), since leaves may be missing
    # SOLUTION
    rates = dict(direction)
    for node in topological_order(graph, output):
        operation, *inputs = graph[node]
        partials = OPERATIONS[operation][1](*(values[name] for name in inputs))
        terms = zip(inputs, partials, strict=True)
        rates[node] = sum(partial * rates.get(name, 0.0) for name, partial in terms)
        # MUTANT: rates[node] = sum(rates.get(name, 0.0) for name, partial in terms)
        # MUTANT: rates[node] = sum(partial * rates.get(name, 1.0) for name, partial in terms)
        # MUTANT: rates[node] = max(partial * rates.get(name, 0.0) for name, partial in terms)
    return rates
    # END SOLUTION


# Exercise 5: a whole Jacobian, the cheaper way
def jacobian(graph, leaves, outputs, inputs):
    """All derivatives of some outputs by some leaves, with as few passes as one mode needs.

    Args:
        graph: as in exercise 1.
        leaves: dict from leaf to float.
        outputs: list of m names.
        inputs: list of n names of leaves.

    Returns:
        (rows, passes): rows is a list of m lists of n floats, rows[i][j] = d outputs[i] /
        d inputs[j], 0.0 where there is no path. passes is how many calls of adjoints (when
        m <= n) or directions of tangents (when m > n) it took: min(m, n).
    """
    # TODO: m <= n: one reverse pass a row. m > n: one direction a column; a direction counts as
    #   one pass, though this graph format makes you call tangents once for every output.
    # HINT: adjoints(...).get(name, 0.0), because an output may not depend on a leaf
    # HINT: the direction of column j is {inputs[j]: 1.0}
    # HINT: columns come out first in forward mode: [list(row) for row in zip(*columns)] turns them
    # SOLUTION
    if len(outputs) <= len(inputs):
        rows = []
        for output in outputs:
            arrived = adjoints(graph, evaluate(graph, leaves, output), output)
            rows.append([arrived.get(name, 0.0) for name in inputs])
        return rows, len(outputs)
        # MUTANT: return rows, len(inputs)
    columns = []
    for name in inputs:
        direction = {name: 1.0}
        # MUTANT: direction = dict.fromkeys(inputs, 1.0)
        columns.append(
            [
                tangents(graph, evaluate(graph, leaves, output), output, direction).get(output, 0.0)
                for output in outputs
            ]
        )
    return [list(row) for row in zip(*columns, strict=True)], len(inputs)
    # MUTANT: return columns, len(inputs)
    # END SOLUTION


# TESTS
import math
import os
import random

import pytest

UNARY, BINARY = ("sin", "exp", "tanh"), ("add", "sub", "mul", "div")


@pytest.fixture
def rng():
    return random.Random(int(os.environ.get("ROADMAP_SEED", "0")))


def random_graph(rng, leaves=3, nodes=12):
    """A graph in which values stay small and are used many times, its nodes in shuffled order."""
    names = [f"x{i}" for i in range(leaves)]
    values = {name: rng.uniform(0.5, 1.5) for name in names}
    steps = []
    for i in range(nodes):
        node = f"n{i}"
        if rng.random() < 0.6:
            steps.append((node, ("tanh", rng.choice(names))))
        else:
            steps.append((node, (rng.choice(("add", "sub", "mul")), *rng.choices(names, k=2))))
        names.append(node)
    rng.shuffle(steps)
    return dict(steps), values, f"n{nodes - 1}"


def difference(graph, leaves, output, name, h=1e-5):
    """d output / d leaf by a central difference, through this file's own evaluation."""

    def at(x):
        return run(graph, leaves | {name: x}, output)

    return (at(leaves[name] + h) - at(leaves[name] - h)) / (2 * h)


def run(graph, leaves, name):
    """Plain recursive evaluation, for small graphs."""
    plain = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
        "sin": math.sin,
        "exp": math.exp,
        "tanh": math.tanh,
    }
    if name not in graph:
        return leaves[name]
    operation, *inputs = graph[name]
    return plain[operation](*(run(graph, leaves, i) for i in inputs))


def chain(length):
    return {f"n{i}": ("tanh", f"n{i - 1}" if i else "x") for i in range(length)}


def test_topological_order_puts_inputs_first(rng):
    for _ in range(20):
        graph, _, output = random_graph(rng)
        order = topological_order(graph, output)
        place = {node: i for i, node in enumerate(order)}
        assert len(place) == len(order)
        assert order[-1] == output
        for node in order:
            for name in graph[node][1:]:
                assert name not in graph or place[name] < place[node]


def test_topological_order_leaves_out_what_is_not_needed():
    graph = {"b": ("sin", "x"), "a": ("exp", "x"), "c": ("mul", "b", "b")}
    assert topological_order(graph, "c") == ["b", "c"]
    assert topological_order(graph, "x") == []


def test_topological_order_of_a_deep_graph():
    graph = chain(50_000)
    assert topological_order(graph, "n49999") == list(graph)


def test_topological_order_finds_cycles():
    graph = {"a": ("sin", "b"), "b": ("exp", "c"), "c": ("add", "a", "x"), "d": ("sin", "x")}
    with pytest.raises(ValueError):  # noqa: PT011 - the text is the learner's
        topological_order(graph, "a")
    assert topological_order(graph, "d") == ["d"]


def test_topological_order_of_a_diamond_is_no_cycle():
    graph = {"b": ("sin", "a"), "c": ("exp", "a"), "d": ("add", "b", "c"), "a": ("mul", "x", "x")}
    assert sorted(topological_order(graph, "d")) == ["a", "b", "c", "d"]


def test_evaluate_agrees_with_plain_recursion(rng):
    for _ in range(10):
        graph, leaves, output = random_graph(rng)
        before = dict(leaves)
        values = evaluate(graph, leaves, output)
        assert leaves == before
        for name, value in values.items():
            assert value == run(graph, leaves, name)
        assert set(values) == set(leaves) | set(topological_order(graph, output))


def test_evaluate_keeps_the_order_of_inputs():
    assert evaluate({"q": ("div", "y", "x")}, {"x": 2.0, "y": 1.0}, "q")["q"] == 0.5


def test_evaluate_calls_every_operation_once(monkeypatch):
    calls = []
    function, partials = OPERATIONS["add"]
    counted = (lambda a, b: calls.append(1) or function(a, b), partials)
    monkeypatch.setitem(OPERATIONS, "add", counted)
    graph = {f"n{i}": ("add", f"n{i - 1}", f"n{i - 1}") for i in range(1, 40)}
    assert evaluate(graph, {"n0": 1.0}, "n39")["n39"] == 2.0**39
    assert len(calls) == 39


def test_adjoints_agree_with_differences(rng):
    for _ in range(10):
        graph, leaves, output = random_graph(rng)
        found = adjoints(graph, evaluate(graph, leaves, output), output)
        assert found[output] == 1.0
        for name in leaves:
            expected = difference(graph, leaves, output, name)
            assert found.get(name, 0.0) == pytest.approx(expected, abs=1e-6, rel=1e-6)


def test_adjoints_of_every_operation(rng):
    x, y = rng.uniform(0.5, 1.5), rng.uniform(0.5, 1.5)
    for operation in UNARY + BINARY:
        names = ("x",) if operation in UNARY else ("x", "y")
        graph, leaves = {"z": (operation, *names)}, {"x": x, "y": y}
        found = adjoints(graph, evaluate(graph, leaves, "z"), "z")
        for name in names:
            assert found[name] == pytest.approx(difference(graph, leaves, "z", name), abs=1e-7)


def test_adjoints_add_over_uses():
    graph = {"s": ("add", "x", "y"), "p": ("mul", "s", "s"), "q": ("mul", "p", "x")}
    found = adjoints(graph, evaluate(graph, {"x": 2.0, "y": 3.0}, "q"), "q")
    assert found == {"q": 1.0, "p": 2.0, "s": 20.0, "x": 45.0, "y": 20.0}


def test_adjoints_pass_every_edge_once():
    graph = {f"n{i}": ("add", f"n{i - 1}", f"n{i - 1}") for i in range(1, 101)}
    values = evaluate(graph, {"n0": 1.0}, "n100")
    assert adjoints(graph, values, "n100")["n0"] == 2.0**100


def test_adjoints_of_a_deep_graph():
    graph = {f"n{i}": ("add", f"n{i - 1}", "x") for i in range(1, 30_000)}
    values = evaluate(graph, {"n0": 0.0, "x": 1.0}, "n29999")
    assert adjoints(graph, values, "n29999")["x"] == 29_999.0


def test_tangents_agree_with_adjoints(rng):
    for _ in range(10):
        graph, leaves, output = random_graph(rng)
        values = evaluate(graph, leaves, output)
        direction = {name: rng.uniform(-1, 1) for name in list(leaves)[:2]}
        forward = tangents(graph, values, output, direction)[output]
        backward = adjoints(graph, values, output)
        expected = sum(backward.get(name, 0.0) * rate for name, rate in direction.items())
        assert forward == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_tangents_of_every_node():
    graph = {"s": ("add", "x", "y"), "p": ("mul", "s", "s")}
    values = evaluate(graph, {"x": 2.0, "y": 3.0}, "p")
    direction = {"x": 1.0}
    assert tangents(graph, values, "p", direction) == {"x": 1.0, "s": 1.0, "p": 10.0}
    assert direction == {"x": 1.0}


@pytest.mark.parametrize(("m", "n"), [(1, 4), (2, 3), (3, 3), (4, 2), (3, 1)])
def test_jacobian_by_the_cheaper_mode(m, n, rng, monkeypatch):
    graph, leaves, _ = random_graph(rng, leaves=n, nodes=14)
    outputs, inputs = [f"n{13 - i}" for i in range(m)], [f"x{i}" for i in range(n)]
    used = {"reverse": 0, "forward": set()}
    real_adjoints, real_tangents = adjoints, tangents

    def counted_adjoints(*arguments):
        used["reverse"] += 1
        return real_adjoints(*arguments)

    def counted_tangents(graph, values, output, direction):
        used["forward"].add(tuple(sorted(direction.items())))
        return real_tangents(graph, values, output, direction)

    monkeypatch.setitem(jacobian.__globals__, "adjoints", counted_adjoints)
    monkeypatch.setitem(jacobian.__globals__, "tangents", counted_tangents)
    rows, passes = jacobian(graph, leaves, outputs, inputs)
    assert passes == min(m, n)
    assert (used["reverse"], len(used["forward"])) == ((m, 0) if m <= n else (0, n))
    assert [len(row) for row in rows] == [n] * m
    for i, output in enumerate(outputs):
        for j, name in enumerate(inputs):
            expected = difference(graph, leaves, output, name)
            assert rows[i][j] == pytest.approx(expected, abs=1e-6, rel=1e-6)


def test_jacobian_is_zero_where_there_is_no_path():
    graph = {"a": ("sin", "x"), "b": ("exp", "y")}
    leaves = {"x": 0.0, "y": 0.0}
    assert jacobian(graph, leaves, ["a", "b"], ["x", "y"]) == ([[1.0, 0.0], [0.0, 1.0]], 2)
    assert jacobian(graph, leaves, ["a", "b"], ["y"]) == ([[0.0], [1.0]], 1)


if __name__ == "__main__":
    doubling = {f"n{i}": ("add", f"n{i - 1}", f"n{i - 1}") for i in range(1, 61)}
    slopes = adjoints(doubling, evaluate(doubling, {"n0": 1.0}, "n60"), "n60")
    print(f"60 additions, {2**60:.1e} paths, 120 edges: d n60 / d n0 = {slopes['n0']:.3e}")
    example = {"s": ("add", "x", "y"), "p": ("mul", "s", "s"), "q": ("sin", "p")}
    print("order    ", topological_order(example, "q"))
    found = adjoints(example, evaluate(example, {"x": 0.3, "y": 0.5}, "q"), "q")
    print("adjoints ", {name: round(value, 4) for name, value in found.items()})
