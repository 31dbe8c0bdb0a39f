"""Synchronous messages: which parts are asked what, and what their answers are together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from accelpool.errors import LogicError
from accelpool.spanning.programs import merged
from accelpool.spanning.records import ProgramRecord
from accelpool.spanning.router import Router
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

Answers: TypeAlias = Mapping[int, Any]


class Asked(NamedTuple):
    """What to ask each part, and how to put the answers together."""

    messages: dict[int, m.Message]
    together: Callable[[Answers], m.Message]


def _first(answers: Answers) -> m.Message:
    answer: m.Message = next(iter(answers.values()))
    return answer


class Asks:
    """Decides about synchronous messages, but reads of memory, which are commands.

    Args:
        router: Knows the objects.
        part_count: How many parts there are.
    """

    def __init__(self, router: Router, part_count: int) -> None:
        self._router = router
        self._parts = range(part_count)
        self.askers: dict[type[m.Message], Callable[[Any], Asked]] = {
            m.BuildProgram: self._build,
            m.CompileProgram: self._compile,
            m.LinkProgram: self._link,
            m.SetProgramSpecializationConstant: self._set_constant,
            m.CreateSubDevices: self._part,
            m.GetInfo: self._get_info,
            m.GetSupportedImageFormats: self._image_formats,
            m.Finish: self._finish,
            m.GetEvent: self._get_event,
            m.Sync: self._sync,
        }

    def ask(self, message: m.Message) -> Asked:
        """Return what a synchronous message means.

        Raises:
            LogicError: INVALID_OPERATION: it is not possible over several nodes.
        """
        asker = self.askers.get(type(message))
        if asker is None:
            name = type(message).__name__
            what = f"{name} is not possible in a context over several nodes"
            raise LogicError(name, ErrorCode.INVALID_OPERATION, what)
        return asker(message)

    def _image_formats(self, message: m.GetSupportedImageFormats) -> Asked:
        """Ask where the context's images are."""
        return Asked({self._router.context(message.context).parts[0]: message}, _first)

    def _finish(self, message: m.Finish) -> Asked:
        return Asked({self._router.part_of_queue(message.queue): message}, _first)

    def _get_event(self, message: m.GetEvent) -> Asked:
        return Asked({self._router.part_of_event(message.event): message}, _first)

    def _sync(self, message: m.Sync) -> Asked:
        return Asked(dict.fromkeys(self._parts, message), _first)

    def _set_constant(self, message: m.SetProgramSpecializationConstant) -> Asked:
        program = self._router.program(message.program)
        return Asked(dict.fromkeys(self._router.local(program.devices), message), _first)

    def _part(self, message: m.CreateSubDevices) -> Asked:
        part, place = self._router.at(message.device)

        def together(answers: Answers) -> m.Message:
            made: m.SubDevices = answers[part]
            first = self._router.add_devices(part, made.first, len(made.devices))
            return msgspec.structs.replace(made, first=first)

        return Asked({part: m.CreateSubDevices(place, message.properties)}, together)

    def _get_info(self, message: m.GetInfo) -> Asked:
        """Ask the part of the device that it is about; of a program as a whole the first that has it."""
        if message.about == m.PROGRAM:
            program = self._router.program(message.handle)
            return Asked({next(iter(self._router.local(program.devices))): message}, _first)
        part, place = self._router.at(message.device)
        return Asked({part: msgspec.structs.replace(message, device=place)}, _first)

    # ---- programs ----------------------------------------------------------------------------------------

    def _build(self, message: m.BuildProgram) -> Asked:
        program = self._router.program(message.program)
        return self._of_devices(message, program, message.devices or program.devices)

    def _compile(self, message: m.CompileProgram) -> Asked:
        program = self._router.program(message.program)
        return self._of_devices(message, program, message.devices or program.devices)

    def _link(self, message: m.LinkProgram) -> Asked:
        self._router.add_program(message.program, self._router.context(message.context), message.devices)
        return self._of_devices(message, self._router.program(message.program), message.devices)

    def _of_devices(
        self,
        message: m.BuildProgram | m.CompileProgram | m.LinkProgram,
        program: ProgramRecord,
        places: Sequence[int],
    ) -> Asked:
        """Ask each part for its own devices; what others told of theirs before still holds."""
        order = self._router.parts_of_places(program.devices)

        def together(answers: Answers) -> m.Message:
            program.built |= answers
            built = merged(program.built, order)
            program.kernels = {kernel.name: kernel for kernel in built.kernels}
            return built

        local = self._router.local(places)
        messages = {part: msgspec.structs.replace(message, devices=each) for part, each in local.items()}
        return Asked(dict(messages), together)
