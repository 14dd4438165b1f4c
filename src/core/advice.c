/* Advice: once in a round, to the listener. */
#include "core/advice.h"
#include "core/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

_Atomic unsigned advice_round;
int (*advice_listener)(const char *name, const char *text);
_Atomic bool advice_saw_training, advice_saw_evaluation, advice_trained;

/* Claims the advice for this round: true for one caller. */
static bool claim(struct advice *a)
{
    unsigned round = atomic_load(&advice_round);
    return advice_listener && round && atomic_exchange(&a->given, round) != round;
}

int advice_give(struct advice *a)
{
    if (!claim(a))
        return 0;
    return advice_listener(a->name, error_speaks_chinese() ? a->chinese : a->english);
}

int advise_of_unrecorded_training(void)
{
    assert(atomic_load(&advice_trained));
    static struct advice advice = {
        .name = "evaluation_in_training_mode",
        .english =
            "The model is evaluated in training mode: its dropout drops at random, and its batch "
            "normalisation goes by the batch, so that the accuracy is not the model's.\n"
            "hint: call model.eval() before an evaluation, and model.train() before training goes "
            "on.",
        .chinese = "模型在训练模式下做评估：dropout 仍在随机丢弃，批归一化仍用本批次的统计量，"
                   "得到的准确率不是模型真正的准确率。\n"
                   "提示：评估之前请调用 model.eval()，继续训练之前再调用 model.train()。"};
    return advice_give(&advice);
}

int advice_give_seen(struct advice *a, const char *english, const char *chinese, ...)
{
    if (!claim(a))
        return 0;
    bool speaks_chinese = error_speaks_chinese();
    char text[2048];
    va_list args;
    va_start(args, chinese);
    int used = vsnprintf(text, sizeof text, speaks_chinese ? chinese : english, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof text)
        snprintf(text + used, sizeof text - (size_t)used, "\n%s",
                 speaks_chinese ? a->chinese : a->english);
    return advice_listener(a->name, text);
}
