"""A PyTorch module followed by torch.fx, operation by operation, into a graph of ONNX operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subsetsum_nets.exchange.torch_graph import Data, Operation, TorchGraph
from subsetsum_nets.exchange.torch_operators import METHODS, functions, modules
from subsetsum_nets.networks.errors import InvalidNetworkError, NetworkFileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from subsetsum_nets.networks.lowering.notes import Rounding

_OTHERWISE = "torch.onnx.export(module, (example,), 'net.onnx') and load_network('net.onnx') may take it"
_ABOUT_SHAPES = ("size", "dim", "ndimension", "numel", "shape", "ndim", "dtype", "device", "is_cuda")


def traced_model(module: Any, sample: Any) -> tuple[Any, list[Rounding]]:
    """Return the ONNX model of what a module does with a sample, and so with every input of its shape.

    With it comes what had to be rounded for it.

    Raises
    ------
    NetworkFileError
        If it cannot be traced, or does what is not supported; the message names the module.
    InvalidNetworkError
        If it does not take the sample.

    """
    import torch.fx

    kind = type(module).__name__
    _check_hooks(module)
    try:
        traced = torch.fx.symbolic_trace(module)
    except Exception as error:  # user code runs with proxies here, and may fail in any way
        raise NetworkFileError(
            f"torch.fx cannot trace {kind}, whose forward() decides by values ({error}). {_OTHERWISE}"
        ) from error
    inputs = [node for node in traced.graph.nodes if node.op == "placeholder"]
    if len([node for node in inputs if not node.args]) > 1 or not inputs:
        raise NetworkFileError(f"{kind} takes {len(inputs)} inputs; a network has one")
    follower = _Follower(traced, sample)
    for node in traced.graph.nodes:
        try:
            follower.take(node)
        except RuntimeError as error:
            raise InvalidNetworkError(
                f"{kind} does not take an input of shape {tuple(sample.shape[1:])}: "
                f"{str(error).splitlines()[0]}"
            ) from error
    return follower.model(), follower.roundings


def _check_hooks(module: Any) -> None:
    """Raise NetworkFileError for hooks that may change what a module computes; those of pruning do not."""
    for path, part in module.named_modules():
        hooks = [*part._forward_hooks.values(), *part._forward_pre_hooks.values()]  # noqa: SLF001 - there is no other way
        strange = [hook for hook in hooks if not type(hook).__module__.startswith("torch.nn.utils.")]
        if strange:
            raise NetworkFileError(
                f"module {path!r} ({type(part).__name__}) has a hook, {strange[0]!r}, which may change what "
                "it computes; remove it first"
            )


class _Follower:
    """What is known when the nodes of a traced module are run, one by one, on a sample.

    ``_data`` holds the nodes whose values depend on the input; all others are numbers.
    """

    def __init__(self, traced: Any, sample: Any) -> None:
        import torch.fx

        self._runner: Any = torch.fx.Interpreter(traced)
        self._runner.args_iter = iter([sample])
        self._env: dict[Any, Any] = self._runner.env
        self._start = Data("input", tuple(sample.shape))
        self._end: Data | None = None
        self._data: dict[Any, Data] = {}
        self._done: set[Any] = set()
        self._graph = TorchGraph()
        self._modules, self._functions = modules(), functions()

    @property
    def roundings(self) -> list[Rounding]:
        """What was rounded so far."""
        return self._graph.roundings

    def model(self) -> Any:
        """Return the ONNX model of all nodes."""
        if self._end is None:
            raise NetworkFileError("the module does not give one tensor that depends on its input")
        return self._graph.model(self._start, self._end)

    def take(self, node: Any) -> None:
        """Run a node, and note which operator it is."""
        if node.op == "output":
            self._end = next((self._data[source] for source in self._data if source is node.args[0]), None)
            return
        versions = {other: self._env[other]._version for other in self._data if other in self._env}  # noqa: SLF001
        value = self._env[node] = self._runner.run_node(node)
        if node.op == "placeholder" and not self._data:
            self._data[node] = self._start
        elif any(source in self._data for source in node.all_input_nodes):
            self._follow(node, value)
            self._see_to_changes(node, value, versions)
        self._done.add(node)
        for source in node.all_input_nodes:
            if self._done.issuperset(source.users):
                self._env.pop(source, None)  # it is not used again

    def _follow(self, node: Any, value: Any) -> None:
        import torch.fx

        where = self._where(node)
        if not isinstance(value, torch.Tensor):
            attribute = node.op == "call_function" and node.target is getattr
            name = node.args[1] if attribute else node.target
            if name not in _ABOUT_SHAPES:
                made = type(value).__name__
                raise NetworkFileError(f"{where} makes a {made} of values of the input. {_OTHERWISE}")
            return
        emitter, own = self._emitter(node, where)
        label = node.target if node.op == "call_module" else where
        operation = Operation(where, label, self._graph, value)
        args, kwargs = (torch.fx.node.map_arg(part, self._argument) for part in (node.args, node.kwargs))
        try:
            name = emitter(operation, *own, *args, **kwargs)
        except (TypeError, AttributeError) as error:
            operation.refuse(f"is called in a way that is not supported ({error}). {_OTHERWISE}")
        self._data[node] = Data(name, tuple(value.shape))

    def _argument(self, node: Any) -> Any:
        return self._data[node] if node in self._data else self._env[node]

    def _emitter(self, node: Any, where: str) -> tuple[Callable[..., str], tuple[Any, ...]]:
        found: Callable[..., str] | None
        own: tuple[Any, ...] = ()
        if node.op == "call_module":
            own = (self._runner.fetch_attr(node.target),)
            # Subclasses, such as those of quantization, may compute something else.
            kind: Any = type(own[0])
            kind = kind.__base__ if kind.__module__ == "torch.nn.utils.parametrize" else kind
            found = next((emitter for kinds, emitter in self._modules if kind in kinds), None)
        else:
            found = (METHODS if node.op == "call_method" else self._functions).get(node.target)
        if found is None:
            raise NetworkFileError(
                f"{where} is not piecewise linear, or not supported. What comes before it may be a network "
                f"of its own, as model[:-1] of a Sequential. {_OTHERWISE}"
            )
        return found, own

    def _where(self, node: Any) -> str:
        if node.op == "call_module":
            return f"module {node.target!r} ({type(self._runner.fetch_attr(node.target)).__name__})"
        own = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "a function")
        stack = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values() if path]
        return f"{own}() in module {stack[-1]!r}" if stack else f"{own}()"

    def _see_to_changes(self, node: Any, value: Any, versions: dict[Any, int]) -> None:
        """Let names stand for what they hold after an operation changed a tensor in place."""
        for other, version in versions.items():
            tensor = self._env[other]
            if tensor._version == version:  # noqa: SLF001 - nothing else tells
                continue
            if tensor is not value:
                raise NetworkFileError(
                    f"{self._where(node)} changes in place what is used in another shape too; inplace=False "
                    "helps"
                )
            self._data[other] = self._data[node]
