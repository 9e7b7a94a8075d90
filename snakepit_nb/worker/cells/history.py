"""What a session's cells were: `In`, `%history` and the like, under the notebook's numbers."""

import sqlite3

from IPython.core.history import HistoryManager


class SessionHistory(HistoryManager):
    """The history of one session, which ends with it.

    The numbers are the notebook's: those of cells that ran elsewhere stand for empty ones, and one
    may come again, as where a cell runs two lines.
    """

    def store_inputs(self, line_num: int, source: str, source_raw: str | None = None) -> None:
        """Stores a cell under its number."""
        for cells in (self.input_hist_parsed, self.input_hist_raw):
            del cells[line_num:]
            cells.extend([""] * (line_num - len(cells)))
        super().store_inputs(line_num, source, source_raw)

    def _writeout_input_cache(self, conn: sqlite3.Connection) -> None:
        cells = [(self.session_number, *cell) for cell in self.db_input_cache]
        with conn:
            conn.executemany("INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?)", cells)
