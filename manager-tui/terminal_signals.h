/*
 * Signals while the terminal is ours: those that can wait are noted and wake
 * the loop; a crash restores the terminal first and then goes on crashing.
 */
#ifndef MANAGER_TUI_TERMINAL_SIGNALS_H
#define MANAGER_TUI_TERMINAL_SIGNALS_H

/* From now on, until terminal_signals_leave; notes write to WAKE_FD.  Keeps the
 * terminal's modes as they are at the call. */
void terminal_signals_watch(int wake_fd);
void terminal_signals_leave(void);
/* Once terminfo is loaded: what a crash will send. */
void terminal_signals_prepare_restore(void);
/* Stops the process group as SIGTSTP does by default; returns after SIGCONT. */
void terminal_signals_stop_here(void);

#endif
