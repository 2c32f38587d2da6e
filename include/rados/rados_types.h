/* rados_types.h of logrbd: its types are in librados.h. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "librados.h"
