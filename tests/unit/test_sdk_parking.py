"""Parking: what is noted of a session, what is looked for in programs, and when a notebook idles."""

import threading

import pytest

from accelpool.ipython.build_report import report
from accelpool.ipython.idle_parker import IdleParker
from accelpool.parking.journal import CANNOT_BE_KEPT, CHANGES, MAKES, Journal
from accelpool.parking.program_variables import declares_variables
from accelpool_wire import messages as m
from accelpool_wire.messages.base import kinds

LEAVES_NOTHING = {
    m.Release, m.Flush, m.Finish, m.Sync, m.WatchEvents, m.SetUserEventStatus, m.GetEvent, m.GetInfo,
    m.GetProgramBinaries, m.GetSupportedImageFormats, m.UnloadPlatformCompiler,
}  # fmt: skip
NEVER_SENT = {m.SetKernelArgs}  # launches carry all arguments
BETWEEN_NODES = {m.SendBuffer, m.ReceiveBuffer}  # leases over several are not parked


def made(journal):
    return [step.owner for step in journal.steps()]


def test_each_message_is_known_for_what_it_leaves():
    commands = {
        kind for kind in (*kinds(m.Posted), *kinds(m.Synchronous)) if "event" in kind.__struct_fields__
    }
    known = {*MAKES, *CHANGES, *CANNOT_BE_KEPT} | commands | LEAVES_NOTHING | NEVER_SENT | BETWEEN_NODES
    unknown = {kind.__name__ for kind in (*kinds(m.Posted), *kinds(m.Synchronous))} - {
        k.__name__ for k in known
    }
    assert unknown == set()


def test_what_is_given_back_is_forgotten():
    journal = Journal()
    journal.note(m.CreateContext(1, [0]))
    journal.note(m.CreateBuffer(2, 1, 1, 64))
    journal.release(2)
    assert made(journal) == [1]


def test_what_others_are_made_of_stays_until_they_are_given_back():
    journal = Journal()
    journal.note(m.CreateContext(1, [0]))
    journal.note(m.CreateProgramWithSource(2, 1, "..."))
    journal.note(m.BuildProgram(2, [0]))
    journal.note(m.CreateKernel(3, 2, "f"))
    journal.release(2)
    assert (made(journal), journal.alive()) == ([1, 2, 2, 3], {1, 3})
    journal.release(3)
    assert (made(journal), journal.alive()) == ([1], {1})


def test_of_builds_the_last_one_counts():
    journal = Journal()
    journal.note(m.CreateProgramWithSource(2, 1, "..."))
    journal.note(m.BuildProgram(2, [0], "-DN=1"))
    journal.note(m.BuildProgram(2, [0], "-DN=2"))
    assert [step.message for step in journal.steps()][1:] == [m.BuildProgram(2, [0], "-DN=2")]


def messages(journal):
    return [step.message for step in journal.steps()]


def test_builds_for_several_devices_all_count():
    journal = Journal()
    noted = [m.CreateProgramWithSource(2, 1, "..."), m.BuildProgram(2, [0]), m.BuildProgram(2, [1])]
    for message in noted:
        journal.note(message)
    assert messages(journal) == noted


@pytest.mark.parametrize(
    "again",
    [
        lambda n: [m.SetKernelAttribute(2, 8, n)],
        lambda n: [m.SetKernelAttribute(2, 8, n), m.SetKernelAttribute(2, 9, -n)],
        lambda n: [m.SetDefaultDeviceCommandQueue(1, 0, 2), m.SetDefaultDeviceCommandQueue(1, 0, 3)],
        lambda n: [m.SetProgramSpecializationConstant(2, 5, bytes([n % 256]))],
        lambda n: [m.SetProgramSpecializationConstant(2, 5, bytes([n % 256])), m.BuildProgram(2, [0])],
        lambda n: [m.CompileProgram(2, [0], f"-DN={n}")],
    ],
)
def test_what_is_set_again_and_again_is_kept_once(again):
    journal = Journal()
    for n in range(10_000):
        for message in again(n):
            journal.note(message)
    assert messages(journal) == again(9_999)


def test_what_something_was_made_of_is_kept_while_that_lives():
    journal = Journal()
    noted = [
        m.CreateProgramWithSource(2, 1, "..."), m.CompileProgram(2, [0], "-DN=1"),
        m.LinkProgram(3, 1, [2], [0]), m.CompileProgram(2, [0], "-DN=2"),
    ]  # fmt: skip
    for message in noted:
        journal.note(message)
    assert messages(journal) == noted
    journal.release(3)
    journal.note(m.CompileProgram(2, [0], "-DN=3"))
    assert messages(journal) == [noted[0], m.CompileProgram(2, [0], "-DN=3")]


def test_headers_of_an_earlier_compilation_are_forgotten_with_it():
    journal = Journal()
    journal.note(m.CreateProgramWithSource(2, 1, "..."))
    for header in range(3, 6):
        journal.note(m.CreateProgramWithSource(header, 1, f"#define N {header}"))
        journal.note(m.CompileProgram(2, [0], headers=[header], header_names=["n.h"]))
        journal.release(header)
    assert made(journal) == [2, 5, 2]


def test_a_constant_is_kept_as_a_build_saw_it():
    journal = Journal()
    noted = [
        m.SetProgramSpecializationConstant(2, 5, b"1"), m.BuildProgram(2, [0]), m.CreateKernel(3, 2, "f"),
        m.SetProgramSpecializationConstant(2, 5, b"2"),
    ]  # fmt: skip
    for message in noted:
        journal.note(message)
    assert messages(journal) == noted


def test_a_user_event_is_in_the_way_until_it_is_set():
    journal = Journal()
    journal.note(m.CreateUserEvent(2, 1))
    assert "user event" in journal.why_not()
    journal.note(m.SetUserEventStatus(2, 0))
    assert journal.why_not() == ""
    assert journal.events == {2}


@pytest.mark.parametrize(
    "source",
    [
        "global int counter = 3; kernel void f(global int *x) {}",
        "__global float table[16];",
        "global int a __attribute__((aligned(16)));",
        "global int a = (1 + 2);",
        "kernel void f(global int *x) { static global int calls; }",
    ],
)
def test_variables_of_a_program_are_seen(source):
    assert declares_variables(source)


@pytest.mark.parametrize(
    "source",
    [
        "kernel void f(global int *x) { global int *p = x; for (int i = 0; i < 3; i++) { p[i] = 0; } }",
        "float g(global float *a);\nconstant int table[] = {1, 2};\nkernel void f(global int *x) {}",
        "/* global int x; */ // global int y;\n#define G global\nkernel void f(G int *x) {}",
    ],
)
def test_what_is_no_variable_of_a_program_is_not_taken_for_one(source):
    assert not declares_variables(source)


@pytest.mark.parametrize(
    "log", ["error: /tmp/a.cl:2:3: no", "<kernel>:2:3: warning: no", "a.cl(2): error: no"]
)
def test_a_build_log_is_shown_with_the_lines_that_it_names(log):
    assert report(log, "one\ntwo\nthree\nfour").splitlines()[2:] == [
        "       1 | one",
        "-->    2 | two",
        "       3 | three",
    ]


class Lease:
    idle_s = 600.0
    is_held = True
    is_parked = False
    used_s = 0.0


def test_a_notebook_idles_from_the_end_of_a_cell_or_the_last_use():
    now, lease = [0.0], Lease()
    parker = IdleParker(lease, lambda: now[0])
    assert parker.left_s() == 600
    parker.cell_begins()
    assert parker.left_s() is None
    now[0] = 100.0
    parker.cell_ends()
    now[0] = 200.0
    assert parker.left_s() == 500
    lease.used_s = 200.0
    assert parker.left_s() == 600


def test_a_time_to_idle_that_no_clock_reaches_does_not_end_the_thread():
    lease, asked = Lease(), threading.Event()

    def clock():
        asked.set()
        return 0.0

    parker = IdleParker(lease, clock)
    lease.idle_s = 1e300
    asked.clear()
    parker.begin()
    assert asked.wait(5)
    parker.end()
