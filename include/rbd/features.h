/* features.h of logrbd: the feature bits are in librbd.h. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "librbd.h"
