// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does one thing that kernel code must not do, named when it is loaded, so that tests/vm/selftest can
 * see the kernels built to find bugs and the harness notice. Never loaded by other tests.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

static char *what = "nothing";
module_param(what, charp, 0);

static DEFINE_MUTEX(one);
static DEFINE_MUTEX(other);
static DEFINE_SPINLOCK(spin);

struct thing {
	struct list_head link;
	char text[40];
};

static struct thing *make_thing(void)
{
	struct thing *thing = kzalloc(sizeof(*thing), GFP_KERNEL);

	if (thing)
		INIT_LIST_HEAD(&thing->link);
	return thing;
}

static void use_after_free(void)
{
	struct thing *thing = make_thing();

	kfree(thing);
	WRITE_ONCE(thing->text[0], 'x');
}

static void overrun(void)
{
	struct thing *thing = make_thing();
	char *text = thing->text;

	OPTIMIZER_HIDE_VAR(text);
	WRITE_ONCE(text[sizeof(thing->text)], 'x');
	kfree(thing);
}

static void lock_order(void)
{
	mutex_lock(&one);
	mutex_lock(&other);
	mutex_unlock(&other);
	mutex_unlock(&one);
	mutex_lock(&other);
	mutex_lock(&one);
	mutex_unlock(&one);
	mutex_unlock(&other);
}

static void sleep_in_atomic(void)
{
	spin_lock(&spin);
	msleep(20);
	spin_unlock(&spin);
}

static void bare_rcu(void)
{
	static struct thing __rcu *shared;

	(void)rcu_dereference(shared);
}

static void leak(void)
{
	int i;

	/* Some, for a pointer to one may be left behind somewhere by chance. */
	for (i = 0; i < 8; i++)
		make_thing();
}

static void work_fn(struct work_struct *work)
{
}

static void free_queued_work(void)
{
	struct delayed_work *work = kzalloc(sizeof(*work), GFP_KERNEL);

	if (!work)
		return;
	INIT_DELAYED_WORK(work, work_fn);
	schedule_delayed_work(work, 100 * HZ);
	kfree(work);
}

static int shared_number;

static int count_up(void *unused)
{
	while (!kthread_should_stop()) {
		shared_number++;
		cond_resched();
	}
	return 0;
}

static void two_writers(void)
{
	struct task_struct *task[2];
	int i;

	for (i = 0; i < 2; i++)
		task[i] = kthread_run(count_up, NULL, "wrong%d", i);
	msleep(2000);
	for (i = 0; i < 2; i++)
		if (!IS_ERR(task[i]))
			kthread_stop(task[i]);
}

static const struct {
	const char *name;
	void (*fn)(void);
} wrongs[] = {
	{ "use_after_free", use_after_free },
	{ "overrun", overrun },
	{ "lock_order", lock_order },
	{ "sleep_in_atomic", sleep_in_atomic },
	{ "bare_rcu", bare_rcu },
	{ "leak", leak },
	{ "free_queued_work", free_queued_work },
	{ "two_writers", two_writers },
};

static int __init wrong_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(wrongs); i++)
		if (!strcmp(wrongs[i].name, what))
			wrongs[i].fn();
	return 0;
}

static void __exit wrong_exit(void)
{
}

module_init(wrong_init);
module_exit(wrong_exit);

MODULE_DESCRIPTION("one deliberate mistake, for the self test of the harness");
MODULE_LICENSE("GPL");
