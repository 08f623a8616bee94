/* Turns the answer that a request would have had into the one that its fault wants.
 * SPDX-License-Identifier: MIT */
#ifndef SANDBOX_FAULT_ANSWER_H
#define SANDBOX_FAULT_ANSWER_H

#include "answer.h"
#include "fault.h"

void sandbox_fault_answer(const struct sandbox_fault *fault, struct sandbox_answer *answer);

#endif
