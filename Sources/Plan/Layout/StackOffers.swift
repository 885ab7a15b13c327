import Calibration

/// What a training framework offers, as far as that decides which layouts there are. A framework that is not listed offers everything.
struct StackOffers {
    private let name: String
    private let isDeepSpeed: Bool
    private let isMegatron: Bool
    private let isFSDP: Bool

    init(_ software: SoftwareStack) {
        name = software.framework.lowercased()
        isDeepSpeed = name.contains("deepspeed")
        isMegatron = !isDeepSpeed && (name.hasPrefix("megatron") || name.contains("nemo") || name == "mlperf")
        isFSDP = name.contains("fsdp") || name.contains("torchtitan") || name.contains("llm-foundry")
    }

    /// Why there is no such sharding under such a pipeline, and what there is; nil where there is.
    ///
    /// Megatron-Core's distributed optimizer keeps whole gradients on every replica (docs/source/api-guide/dist_optimizer.md), and its FSDP asserts
    /// one pipeline rank. DeepSpeed's pipeline engine asserts a ZeRO stage below 2 (runtime/pipe/engine.py). FSDP2 shards parameters, gradients and
    /// optimizer together (torch.distributed.fsdp.fully_shard).
    func refusal(zero: Int, pipeline: Int) -> (reason: String, advice: String)? {
        if isDeepSpeed, zero >= 2, pipeline > 1 {
            return (
                "DeepSpeed's pipeline engine shards the optimizer only: each micro-batch would reduce the gradients anew",
                "write zero: 1, or pipeline: 1"
            )
        }
        if isMegatron, zero >= 2, pipeline > 1 {
            return (
                "\(name) has no ZeRO-\(zero) with a pipeline: Megatron's distributed optimizer shards the optimizer only, and its FSDP takes one pipeline rank",
                "write zero: 1 or pipeline: 1, or name the framework that has it (torchtitan)"
            )
        }
        if isFSDP, zero == 1 {
            return (
                "\(name) has no ZeRO-1: FSDP shards gradients with the optimizer",
                "write zero: 2 or 3, or 0 for plain replicas"
            )
        }
        return nil
    }

    /// Schedules that a search tries without being asked for them. Zero-bubble ones are in the fork that they came with, V-shaped ones in torchtitan
    /// (torch.distributed.pipelining), and both in a framework that is not listed.
    var schedules: [ScheduleKind] {
        let plain: [ScheduleKind] = [.oneForwardOneBackward, .interleaved]
        if isFSDP { return plain + [.zbV] }
        let hasOwn = name.contains("zero-bubble")
        return (isMegatron || isDeepSpeed) && !hasOwn ? plain : plain + [.zb1p]
    }
}

extension Job {
    /// Whether the stack shards this far under such a pipeline.
    public func allowsSharding(_ zero: Int, pipeline: Int) -> Bool { StackOffers(software).refusal(zero: zero, pipeline: pipeline) == nil }

    /// Schedules that the stack has, of those that a search tries by default.
    public var offeredSchedules: [ScheduleKind] { StackOffers(software).schedules }
}
