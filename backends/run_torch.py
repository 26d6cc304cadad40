"""Running the PyTorch program: the only module, with `run_jax`, that imports a framework."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from ..compiler.ir.module import Function, Module, solve_of
from . import torch_solver
from .counting import Counts, replaced
from .framework_model import FrameworkModel, NoForwardMode
from .model import Array, Targets, Weights, checked_targets, in_dtype
from .optimizers import Rates, Updater, global_norm
from .program_model import flat, nested
from .registry import BackendError, NoDevice
from .stepper import Proposal, Stepper
from .torch_dialect import TORCH

ARITHMETIC = frozenset({"add", "sub", "mul", "div", "__rsub__", "__rdiv__"})
"""Names of what torch makes of +, -, * and /."""


def load(module: Module, source: str, device: str, dtype: str) -> TorchModel:
    """The model of a PyTorch program. Raises BackendError for a device that is not there."""
    # full float32 in matrix products and convolutions: JAX is set the same way
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return TorchModel(module, source, _device(device), dtype)


def _device(name: str) -> str:
    platform, _, index = name.partition(":")
    platform = "cuda" if platform == "gpu" else platform
    if platform not in ("cpu", "cuda"):
        raise BackendError(f"there is no device {name}: cpu or cuda")
    count = 1 if platform == "cpu" else torch.cuda.device_count()
    if (index and not index.isdecimal()) or int(index or 0) >= count:
        raise NoDevice(f"torch sees no device {name}")
    return f"{platform}:{index}" if index else platform


class TorchModel(FrameworkModel):
    """A PyTorch program; `native.Network` is its module class."""

    backend, dialect = "torch", TORCH

    def __init__(self, module: Module, source: str, device: str, dtype: str) -> None:
        super().__init__(module, source, device, dtype)
        for name in torch_solver.NAMES:
            if hasattr(self.native, name):
                setattr(self.native, name, torch_solver.or_nan(getattr(self.native, name)))

    @property
    def threads(self) -> int:
        """That share an operation on the CPU, in this process."""
        return torch.get_num_threads()

    @threads.setter
    def threads(self, count: int) -> None:
        torch.set_num_threads(count)

    def compile(self) -> None:
        """torch.compile of `step`: one layer is compiled once, whatever the depth. Of an adaptive
        method it is the field, which a solver calls."""
        solve = solve_of(self.module)
        native, step = self.native, self._names["step" if solve is None else solve.field]
        setattr(native, step, torch.compile(getattr(native, step)))

    def network(self, weights: dict[str, Array]) -> Any:
        """The program's nn.Module with these weights on the device."""
        return self.native.Network(weights).to(self.device)

    def drawn(self) -> dict[str, Array]:
        held = self.tensors(self.native.Network())
        return {name: tensor.detach().cpu().numpy() for name, tensor in held.items()}

    def parameters(self, network: Any) -> dict[str, Any]:
        """The parameters of a network, the weights that are trained, by the names of their weights.

        A weight whose name nn.Module has itself is a parameter of another name (`names.attributes`)
        at its place in the order of the weights.
        """
        return _by_weight(network.named_parameters(), [w.name for w in self.module.trained])

    def tensors(self, network: Any) -> dict[str, Any]:
        """The weights of a network by name, those too that are not trained."""
        fixed = [w.name for w in self.module.weights if not w.trainable]
        return self.parameters(network) | _by_weight(network.named_buffers(), fixed)

    def _call(self, function: str, weights: dict[str, Array], *arguments: Any) -> Array:
        return self._called(self.network(weights), function, *arguments)

    def _called(self, network: Any, function: str, *arguments: Any) -> Array:
        with torch.no_grad():
            value = getattr(network, function)(*(self._put(a) for a in arguments))
        return value.detach().cpu().numpy()

    def after(self, function: str, before: Weights, weights: Weights, *arguments: Any) -> Array:
        """In one network, whose weights are changed in place, and which is then set to evaluate."""
        network = self.network(dict(before))
        self._called(network, function, *arguments)
        with torch.no_grad():
            for name, tensor in self.tensors(network).items():
                tensor.copy_(self._put(weights[name]))
        return self._called(network.eval(), function, *arguments)

    def _owner(self, function: Function) -> Any:
        return self.native.Network if function.takes_weights else self.native

    def _called_part(
        self, name: str, weights: dict[str, Array] | None, arguments: list[Any]
    ) -> list[Array]:
        owner = self.native if weights is None else self.network(weights)
        with torch.no_grad():
            value = getattr(owner, name)(*self._put(arguments))
        return [part.detach().cpu().numpy() for part in flat(value)]

    def _pulled_part(
        self, function: Function, weights: dict[str, Array], args: list[Array], bars: list[Array]
    ) -> tuple[list[Array], dict[str, Array]]:
        owner = self.network(weights) if function.takes_weights else self.native
        put = self._put(args)
        leaves = [a.requires_grad_() for a in put if _is_real(a)]
        value = flat(getattr(owner, self._names[function.name])(*nested(function, put)))
        pairs = [(v, g) for v, g in zip(value, self._put(bars), strict=True) if v.requires_grad]
        torch.autograd.backward([v for v, _ in pairs], [g for _, g in pairs])
        held = self.parameters(owner).items() if function.takes_weights else ()
        pulled = {n: _gradient_of(p).cpu().numpy() for n, p in held}
        return [_gradient_of(leaf).cpu().numpy() for leaf in leaves], pulled

    def _count(self, weights: dict[str, Array], given: list[Array]) -> Counts:
        (name,) = (n for n in torch_solver.NAMES if hasattr(self.native, n))
        there, back = Counts(), Counts()
        solver = getattr(self.native, name)
        with replaced(self.native, name, torch_solver.counting(solver, there)):
            self._call("forward", weights, *given[: self.forward_count])
        if self.module.has_loss:
            with replaced(self.native, name, torch_solver.counting(solver, back)):
                self._gradient(weights, *given)
        return replace(there, nfe_backward=back.nfe_backward)

    def _gradient(self, weights: dict[str, Array], *given: Array) -> dict[str, Array]:
        network = self.network(weights)
        _pull(network.loss(*self._put(given)), network.parameters())
        found = self.parameters(network).items()
        return {name: _gradient_of(w).cpu().numpy() for name, w in found}

    def _jvp(
        self, weights: dict[str, Array], given: list[Array], along: dict[str, Array], dx: Array
    ) -> Array:
        with _forward_mode(), torch.no_grad():
            network = self.network(weights)
            held = [*network.named_parameters(), *network.named_buffers()]
            tangents = zip(held, self.tensors(network), strict=True)
            duals = {n: self._dual(w.detach(), along[name]) for (n, w), name in tangents}
            x, *others = self._put(given)
            rows = self._dual(x, dx)
            try:
                with _Tangents():
                    value = functional_call(network, duals, (rows, *others))
            except NotImplementedError as error:
                raise NoForwardMode(str(error)) from None
            primal, tangent = forward_ad.unpack_dual(value)
            return (torch.zeros_like(primal) if tangent is None else tangent).cpu().numpy()

    def _dual(self, value: torch.Tensor, tangent: Array) -> torch.Tensor:
        return forward_ad.make_dual(value, self._put(tangent))

    def _vjp(
        self, weights: dict[str, Array], given: list[Array], w: Array
    ) -> tuple[dict[str, Array], Array]:
        network, (rows, *others) = self.network(weights), self._put(given)
        rows.requires_grad_()
        # `backward` is what checkpoints of all kinds do, of a number: a cotangent that is handed to
        # it makes torch import for a second what it checks shapes with
        (network(rows, *others) * self._put(w)).sum().backward()
        found = self.parameters(network).items()
        pulled = {n: _gradient_of(p).cpu().numpy() for n, p in found}
        return pulled, _gradient_of(rows).cpu().numpy()

    def stepper(self, updater: Updater, x: Array, targets: Targets, /) -> TorchStepper:
        return TorchStepper(self, updater, x, targets)

    def _put(self, value: Any) -> Any:
        """NumPy arrays (also those of a list) as tensors, on the CPU of the same memory."""
        if isinstance(value, (list, tuple)):
            return type(value)(map(self._put, value))
        is_array = isinstance(value, np.ndarray)
        return torch.as_tensor(value, device=self.device) if is_array else value


def _by_weight(found: Iterable[tuple[str, Any]], names: list[str]) -> dict[str, Any]:
    """What a network holds, by the names of the weights where these can be told."""
    held = dict(found)
    if len(held) != len(names) or held.keys() >= set(names):
        return held
    return dict(zip(names, held.values(), strict=True))


def _is_real(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


@contextmanager
def _forward_mode() -> Iterator[None]:
    """A level of forward differentiation; torch warns of what it does itself on entering one."""
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.filterwarnings("ignore", ".*torch.jit.script", DeprecationWarning)
        yield


class _Tangents(TorchFunctionMode):
    """Within it constants of sums and products have a tangent too, of zeros: to find the shape of
    the one that they lack, torch imports its whole compiler, for a second."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = _moving(args) if getattr(func, "__name__", "") in ARITHMETIC else args
        return func(*given, **(kwargs or {}))


def _moving(operands: Sequence[Any]) -> Sequence[Any]:
    """Numbers as tensors of the dtype of the others, and each with a tangent."""
    real = next((a for a in operands if _is_real(a)), None)
    if real is None:
        return operands
    put = [real.new_tensor(a) if isinstance(a, (int, float)) else a for a in operands]
    return [
        forward_ad.make_dual(a, torch.zeros_like(a))
        if _is_real(a) and forward_ad.unpack_dual(a).tangent is None
        else a
        for a in put
    ]


def _pull(loss: torch.Tensor, parameters: Iterable[torch.Tensor]) -> None:
    """Fill the gradients of what the loss depends on; it may depend on no weight at all. They are
    NaN where an adjoint is not solved."""
    if loss.requires_grad:
        try:
            loss.backward()
        except AssertionError as error:
            if not torch_solver.gave_up(error):
                raise
            for p in parameters:
                p.grad = torch.full_like(p, torch.nan)


def _gradient_of(parameter: torch.Tensor) -> torch.Tensor:
    """A weight that the value does not depend on has no .grad: its gradient is zero."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


class TorchStepper(Stepper):
    """Training steps of a PyTorch program."""

    def __init__(self, model: TorchModel, updater: Updater, x: Array, targets: Targets) -> None:
        super().__init__(updater, model.module, x, targets)
        self.model = model
        if self.series is None:
            self.x = self.put(np.asarray(x))
            self.targets = self._put_targets(targets, len(x))
        self.network = model.network(model.init())

    def propose(self, rows: np.ndarray, rates: Rates) -> Proposal:
        network = self._network()
        network.zero_grad(set_to_none=True)
        loss = network.loss(*self._batch(rows))
        _pull(loss, network.parameters())
        found = self.model.parameters(network).items()
        gradient = {name: _gradient_of(w) for name, w in found}
        with torch.no_grad():
            norm = global_norm(gradient)
            updated = self.updater.apply(gradient, norm, self.moments, self.held, rates)
        return Proposal(loss.detach(), norm, *updated)

    def updated(self, gradient: dict[str, Any], rates: Rates) -> tuple[Any, Any]:
        with torch.no_grad():
            norm = global_norm(gradient)
            return self.updater.apply(gradient, norm, self.moments, self.held, rates)

    def put(self, array: np.ndarray) -> torch.Tensor:
        return torch.tensor(in_dtype(array, self.model.dtype), device=self.model.device)

    def get(self, array: torch.Tensor) -> np.ndarray:
        return array.detach().cpu().numpy().copy()

    def _batch(self, rows: np.ndarray) -> list[torch.Tensor]:
        """What the loss takes."""
        if self.series is not None:
            return [*map(self.put, self.observed(rows))]
        index = torch.from_numpy(rows).to(self.model.device)
        drawn = [*map(self.put, self.probes("loss", len(rows), self.draw))]
        if self.module.has_targets:
            return [self.x[index], self.targets[index], *drawn]
        of_base = self.rows_of(rows)
        return [self.x[index] if of_base is None else self.put(of_base), *drawn]

    def outputs(self, x: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
        if times is None:
            return self._of_rows(self.module.of_rows, x)
        with torch.no_grad():
            network = self._network()
            return self.predicted(x, times, lambda *a: network(*a).cpu().numpy())

    def penalties(self, x: np.ndarray) -> np.ndarray:
        return self._of_rows("path_penalty", x)

    def _of_rows(self, function: str, x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            given = map(self.put, (x, *self.probes(function, len(x), 0)))
            return getattr(self._network(), function)(*given).cpu().numpy()

    def _network(self) -> Any:
        """The network with the weights held; its parameters are theirs, not copies."""
        for name, tensor in self.model.tensors(self.network).items():
            tensor.data = self.held[name]
        return self.network

    def _put_targets(self, targets: Targets, rows: int) -> torch.Tensor:
        checked = checked_targets(self.model.module, targets, rows, self.model.dtype)
        return torch.tensor(checked, device=self.model.device)
