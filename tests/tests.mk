# SPDX-License-Identifier: Apache-2.0
# The targets that test, measure and check the house; included by the Makefile.
