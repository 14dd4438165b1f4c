"""Fixes for errors of modules, optimizers, schedulers and sequences: rows as in fixes.py."""

FIXES = [
    # ---- layers ----
    (
        r"in_channels must be divisible by groups|out_channels must be divisible by groups",
        "the channels are shared out among the groups: both numbers of channels must be multiples "
        "of groups (1: an ordinary convolution; in_channels: one filter a channel).",
        "通道平均分给各组：输入和输出通道数都必须是 groups 的倍数"
        "（1 是普通卷积；等于 in_channels 时每个通道一个卷积核）。",
    ),
    (
        r"dropout probability has to be between 0 and 1, but got (\d+)",
        "the probability is a share and no percentage: p={0} / 100.",
        "概率是 0 到 1 的数，不是百分数：p={0} / 100。",
    ),
    (
        r"dropout (?:probability has to|should be)",
        "the probability is a share from 0 to 1, such as p=0.5.",
        "概率是 0 到 1 之间的数，例如 p=0.5。",
    ),
    (
        r"Invalid padding string '(\w+)'",
        "the words are written small: padding='same' or padding='valid'; else a number, as "
        "padding=1.",
        "只能用小写：padding='same' 或 padding='valid'；否则给一个数，例如 padding=1。",
    ),
    (
        r"padding='same' is not supported for strided convolutions",
        "give the number: padding=kernel_size // 2 halves an even size with stride=2.",
        "请直接写数：padding=kernel_size // 2，stride=2 时大小正好减半。",
    ),
    (
        r"Padding_idx must be within num_embeddings",
        "padding_idx is one of the rows, from 0 to num_embeddings - 1: take padding_idx=0, or make "
        "the table one row larger.",
        "padding_idx 是表里的一行，从 0 到 num_embeddings - 1：请用 padding_idx=0，"
        "或把表加大一行。",
    ),
    (
        r"argument 'size' failed to unpack the object at pos \d+ with error \"type must be tuple of "
        r"ints, ?but got str",
        "a size is a number without quotes: 784, or int(text).",
        "大小是不加引号的数：784，或 int(text)。",
    ),
    (
        r"cannot assign '(?:float|int|list|tuple)' object to buffer '(\w+)'",
        "{0} is a tensor: {0}=torch.tensor([0.3, 0.7]), one number a class (pos_weight of one "
        "output: torch.tensor([3.0])).",
        "{0} 必须是张量：{0}=torch.tensor([0.3, 0.7])，每类一个数（单输出的 pos_weight："
        "torch.tensor([3.0])）。",
    ),
    (
        r"\"attribute '(\w+)' already exists\"",
        "the name {0} is taken: register_buffer sets self.{0} itself, so leave out the line "
        "self.{0} = ... before it.",
        "名字 {0} 已被占用：register_buffer 会自己设置 self.{0}，请去掉之前的 self.{0} = ...。",
    ),
    (
        r"(?:module|parameter|buffer) name can(?:\\)?'t contain",
        "a dot separates the levels of a path: use another sign in the name, as layer_1.",
        "点号用来分隔各级路径：名字里请换用别的符号，例如 layer_1。",
    ),
    (
        r"super\(type, obj\): obj .*instance or subtype of type",
        "super names another class than the one it stands in: write super().__init__(), without "
        "arguments.",
        "super 里写的不是当前的类：请写不带参数的 super().__init__()。",
    ),
    (
        r"Only Tensors of floating point and complex dtype can require gradients",
        "whole numbers have no gradient: write them as floats, [1., 2., 3.], or make the tensor "
        "with dtype=torch.float32; one that is not trained: requires_grad=False, or "
        "register_buffer.",
        "整数没有梯度：请写成浮点数 [1., 2., 3.] 或用 dtype=torch.float32；"
        "不需要训练的用 requires_grad=False 或 register_buffer。",
    ),
    (
        r"is not a valid value for reduction",
        "reduction is 'mean', 'sum', or 'none' for one loss an element.",
        "reduction 只能是 'mean'、'sum' 或 'none'（每个元素一个损失）。",
    ),
    (
        r"'tuple' object has no attribute 'dim'",
        "a GRU and an RNN have one state, the tensor h; the pair (h, c) is an LSTM's.",
        "GRU 和 RNN 的状态是一个张量 h；(h, c) 二元组是 LSTM 的。",
    ),
    (
        r"For unbatched 2-D input, hx should also be 2-D",
        "the input has no batch and the state has: an input is (batch, time, features) with "
        "batch_first=True; one step of a batch is x.unsqueeze(1), one sequence x.unsqueeze(0).",
        "输入没有批次维，而状态有：batch_first=True 时输入是（批次, 时间, 特征）；"
        "一个批次的一步写 x.unsqueeze(1)，单个序列写 x.unsqueeze(0)。",
    ),
    (
        r"Length of all samples has to be greater than 0",
        "an empty sequence cannot be packed: leave empty samples out of the dataset, or "
        "lengths.clamp(min=1).",
        "空序列无法打包：请从数据集里去掉空样本，或用 lengths.clamp(min=1)。",
    ),
    (
        r"expected scalar type (\w+) but found (\w+)",
        "one tensor is {1} where the others are {0} (NumPy's numbers are Double): convert it, "
        "x.float(); a loss's weight: weight.float().",
        "有一个张量是 {1}，而其他是 {0}（NumPy 的数默认为 Double）：请转换 x.float()；"
        "损失函数的 weight：weight.float()。",
    ),
    (
        r"input_lengths must be of size batch_size|target_lengths must be of size batch_size",
        "CTC takes (time, batch, classes): log_probs.transpose(0, 1) where the batch is first; "
        "both lengths hold one number a sample.",
        "CTC 的输入是（时间, 批次, 类别）：批次在前时请写 log_probs.transpose(0, 1)；"
        "两个 lengths 每个样本各一个数。",
    ),
    (
        r"Sequential\.forward\(\) takes 2 positional arguments",
        "layers in a row pass on one thing: join the inputs first, net(torch.cat([x, y], dim=1)), "
        "or write a module of your own whose forward takes both.",
        "顺序连接的层之间只传递一个值：请先合并输入 net(torch.cat([x, y], dim=1))，"
        "或自己写一个 forward 接受两个输入的模块。",
    ),
    # ---- optimizers and schedulers ----
    (
        r"optimizer can only optimize Tensors, but one of the params is (generator|list)",
        "parameters of several models are one list: list(a.parameters()) + list(b.parameters()); "
        "with options of their own: [{{'params': a.parameters()}}, {{'params': b.parameters(), "
        "'lr': 0.1}}].",
        "多个模型的参数要合成一个列表：list(a.parameters()) + list(b.parameters())；各用各的选项时："
        "[{{'params': a.parameters()}}, {{'params': b.parameters(), 'lr': 0.1}}]。",
    ),
    (
        r"optimizer can only optimize Tensors, but one of the params is (\S+)",
        "give the parameters themselves, model.parameters(), which are tensors, and no {0}.",
        "请传入参数本身，即 model.parameters() 给出的张量，而不是 {0}。",
    ),
    (
        r"unsupported operand type\(s\) for \+: 'generator' and",
        "parameters() gives a generator, which cannot be added: list(a.parameters()) + "
        "list(b.parameters()).",
        "parameters() 返回生成器，不能相加：请写 list(a.parameters()) + list(b.parameters())。",
    ),
    (
        r"some parameters appear in more than one parameter group",
        "each parameter belongs to one group: leave those with options of their own out of the "
        "other, [p for n, p in net.named_parameters() if not n.startswith('head.')].",
        "每个参数只能属于一组：另有选项的参数请从其他组里去掉："
        "[p for n, p in net.named_parameters() if not n.startswith('head.')]。",
    ),
    (
        r"^'params'$",
        "a group of parameters is a dict with the entry 'params': {{'params': model.parameters(), "
        "'lr': 0.1}}.",
        "参数组是带有 'params' 的字典：{{'params': model.parameters(), 'lr': 0.1}}。",
    ),
    (
        r"^'param_groups'$",
        "this is no optimizer's state (perhaps a model's): save both, {{'model': "
        "model.state_dict(), 'optimizer': optimizer.state_dict()}}, and load each into its own.",
        "这不是优化器的状态（可能是模型的）：请两者都保存 {{'model': model.state_dict(), "
        "'optimizer': optimizer.state_dict()}}，再分别加载。",
    ),
    (
        r"loaded state dict (?:contains a parameter group that doesn't match|has a different number)",
        "the state was saved for a model of other layers: make the optimizer for the same model "
        "and the same groups as when it was saved, or begin with a new one.",
        "该状态是为另一种结构的模型保存的：请用与保存时相同的模型和参数组建立优化器，"
        "或从新的优化器开始。",
    ),
    (
        r"Invalid learning rate: -",
        "step() subtracts the gradient by itself, so the rate is positive; to climb give "
        "maximize=True.",
        "step() 本身就是减去梯度，学习率应为正数；若要最大化，请用 maximize=True。",
    ),
    (
        r"Invalid (learning rate|momentum value|weight_decay value|beta parameter[^:]*|epsilon value)",
        "options are numbers from 0 on, and betas below 1: lr=1e-3, momentum=0.9, "
        "weight_decay=1e-4, betas=(0.9, 0.999).",
        "这些选项不能为负，betas 要小于 1：lr=1e-3、momentum=0.9、weight_decay=1e-4、"
        "betas=(0.9, 0.999)。",
    ),
    (
        r"LBFGS\.step\(\) missing 1 required positional argument",
        "LBFGS computes the loss several times a step: def closure(): optimizer.zero_grad(); "
        "loss = ...; loss.backward(); return loss, and then optimizer.step(closure).",
        "LBFGS 每一步要多次计算损失：def closure(): optimizer.zero_grad(); loss = ...; "
        "loss.backward(); return loss，再写 optimizer.step(closure)。",
    ),
    (
        r"ReduceLROnPlateau\.step\(\) missing 1 required positional argument",
        "this scheduler looks at a number that should fall: scheduler.step(validation_loss), once "
        "an epoch.",
        "该调度器根据一个应当下降的数来调整：每个 epoch 调用一次 scheduler.step(validation_loss)。",
    ),
    (
        r"Tried to step (\d+) times\. The specified number of total steps is (\d+)",
        "the schedule was made for {1} steps: give the whole number, epochs=epochs, "
        "steps_per_epoch=len(loader), and call scheduler.step() once a batch.",
        "该调度器只为 {1} 步建立：请给足步数 epochs=epochs、steps_per_epoch=len(loader)，"
        "并每个批次调用一次 scheduler.step()。",
    ),
    (
        r"Attempted step but _scale is None|No inf checks were recorded for this optimizer",
        "the scaler did not see this loss: scaler.scale(loss).backward(), then "
        "scaler.step(optimizer) and scaler.update().",
        "缩放器没有处理过这个损失：请写 scaler.scale(loss).backward()，"
        "再 scaler.step(optimizer) 和 scaler.update()。",
    ),
    (
        r"Default process group has not been initialized",
        "call torch.distributed.init_process_group('gloo') first, in a program that torchrun "
        "starts; one process alone needs no DistributedDataParallel.",
        "请先调用 torch.distributed.init_process_group('gloo')，并用 torchrun 启动程序；"
        "单个进程不需要 DistributedDataParallel。",
    ),
    (
        r"clip_grad_norm_\(\) missing|clip_grad_value_\(\) missing",
        "give the largest size that is allowed: clip_grad_norm_(model.parameters(), 1.0).",
        "请给出允许的最大值：clip_grad_norm_(model.parameters(), 1.0)。",
    ),
    # ---- gradients ----
    (
        r"element 0 of tensors does not require grad and does not have a grad_fn",
        "the result has no graph: a gradient of a gradient needs torch.autograd.grad(y, x, "
        "create_graph=True) at the first; else compute y from x after x.requires_grad_(), outside "
        "of no_grad.",
        "该结果没有计算图：若要对梯度再求导，第一次请用 torch.autograd.grad(y, x, "
        "create_graph=True)；否则请先 x.requires_grad_()，再在 no_grad 之外由 x 计算 y。",
    ),
    (
        r"Inference tensors cannot be saved for backward",
        "the tensor was made under torch.inference_mode(): compute it under torch.no_grad(), or "
        "without either if what made it is to be trained.",
        "该张量是在 torch.inference_mode() 之内算出来的：请改用 torch.no_grad()；"
        "若前面的层也要训练，两者都不要用。",
    ),
    (
        r"One of the differentiated Tensors does not require grad",
        "ask for its gradient before the forward pass: x.requires_grad_(), and compute the result "
        "from it after that.",
        "请在前向计算之前要求梯度：x.requires_grad_()，然后再用它计算结果。",
    ),
    (
        r"Legacy autograd function with non-static forward",
        "a Function is applied by its class: y = Square.apply(x), with @staticmethod before "
        "forward and backward.",
        "Function 要通过类来调用：y = Square.apply(x)；forward 和 backward 之前写 @staticmethod。",
    ),
    (
        r"function (\w+)Backward returned an incorrect number of gradients \(expected (\d+), got (\d+)\)",
        "backward of {0} returns one gradient for each of the {1} arguments of forward, None for "
        "what is no tensor: return grad * ctx.k, None.",
        "{0} 的 backward 要为 forward 的 {1} 个参数各返回一个梯度，不是张量的返回 None："
        "return grad * ctx.k, None。",
    ),
    (
        r"Function (\w+)Backward returned an invalid gradient at index (\d+) - got (\[.*?\]) but expected "
        r"shape compatible with (\[.*\])",
        "the gradient of an argument has the argument's shape, {3}: backward of {0} must spread "
        "it, grad.expand(...) / n for a mean, grad.expand(...) for a sum.",
        "参数的梯度形状与参数相同，即 {3}：{0} 的 backward 要把它展开：均值用 grad.expand(...) / n，"
        "求和用 grad.expand(...)。",
    ),
]
