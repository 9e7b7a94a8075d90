from snakepit_nb.launch.output_tail import LINES_KEPT, LONGEST_LINE, OutputTail


def test_lines_are_put_together_from_pieces() -> None:
    tail = OutputTail()
    for piece in (b"one\ntw", b"o\n", b"thr"):
        tail.feed(piece)

    assert tail.lines == ("one", "two", "thr")


def test_only_the_last_lines_are_kept() -> None:
    tail = OutputTail()
    tail.feed(b"".join(b"%d\n" % number for number in range(LINES_KEPT + 5)))

    assert (tail.lines[0], tail.lines[-1]) == ("5", str(LINES_KEPT + 4))


def test_a_line_without_end_takes_bounded_space() -> None:
    tail = OutputTail()
    for _ in range(10):
        tail.feed(b"x" * LONGEST_LINE)

    assert tail.lines == ("x" * LONGEST_LINE,)


def test_of_a_progress_bar_the_last_drawing_is_kept() -> None:
    tail = OutputTail()
    tail.feed(b"10%\r50%\r\n" + b"windows\r\n" + "ä".encode()[:1])

    assert tail.lines == ("50%", "windows", "\ufffd")
