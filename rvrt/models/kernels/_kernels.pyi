_Ints = tuple[int, ...]

def product(
    sources: tuple[tuple[int, int], ...],
    shape: _Ints,
    weight: tuple[int, int],
    norm: tuple[int, int, float],
    activation: tuple[int, float],
    output: tuple[int, int, int],
    threads: int,
    /,
) -> None: ...
def layer(
    arrays: tuple[int, int],
    shape: _Ints,
    plan: _Ints,
    parameters: _Ints,
    epsilon: float,
    gelu: int,
    threads: int,
    /,
) -> None: ...
def samples(
    inputs: _Ints,
    flows: tuple[int, int],
    outputs: tuple[int, int, int],
    shape: _Ints,
    most: float,
    threads: int,
    /,
) -> None: ...
def neighbours(arrays: _Ints, shape: _Ints, threads: int, /) -> None: ...
def warp(arrays: _Ints, shape: _Ints, edge: int, threads: int, /) -> None: ...
def instruction_sets() -> list[str]: ...
def use_instruction_set(name: str, /) -> None: ...
