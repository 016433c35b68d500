/* "doctor": the checks of this node. */
#ifndef DAEMON_DOCTOR_H
#define DAEMON_DOCTOR_H

struct control_call;

void doctor_run(struct control_call *call);

#endif
