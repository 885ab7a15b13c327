import Calibration

/// How gradients and parameters travel in a step: over the ranks that hold the same parameters, and to and from the host. Follows from the job and what its
/// stack does; only how often gradients leave needs the schedule as well.
public struct GradientFlow: Sendable, Hashable {
    /// Several ranks hold the same parameters.
    public let hasReplicas: Bool
    /// Parameters come from the host unit by unit (ZeRO-Infinity, arXiv:2104.07857).
    public let fetches: Bool
    /// Gradients go to the host.
    public let offloads: Bool
    /// Gradients go to the host after every pass and are added up there.
    public let offloadsEveryPass: Bool
    /// Parameters are gathered, used and dropped layer by layer (ZeRO-3; ZeRO-2 without a pipeline gathers once a step).
    public let gathersByUnit: Bool
    /// Gathered again for each micro-batch and pass.
    public let gathersAgain: Bool
    /// Layer by layer, but gathered and reduced once a step: whole parameters and gradients stay while a pipeline's micro-batches pass.
    public let keepsGathered: Bool
    /// Gradients that are kept in shards (ZeRO-2 with a pipeline) leave when a rank turns to another of its chunks, not once a step; with one chunk, where
    /// that would mean to hold them all, after every micro-batch. The whole gradients of the chunk at work are left to the allocator's reserve.
    public let reducesEveryPass: Bool
    /// Gradients leave bucket by bucket beside the last backward pass.
    public let reducesInPieces: Bool
    /// Gradients are reduced when the last pass is done.
    public let reducesAtEnd: Bool
    /// Parameters updated in shards are gathered beside the next step's first forward passes, or right after the optimizer.
    public let gathersAhead: Bool
    public let gathersAtEnd: Bool

    /// Collectives that run beside compute, of which a calibrated share stays exposed.
    public var overlaps: Bool { reducesInPieces || gathersAhead }
    /// Gradients leave bucket by bucket behind the last pass that makes them: to the other replicas, or straight to the host.
    public var leavesInPieces: Bool { reducesInPieces || offloads && !hasReplicas }

    public init(job: Job, behaviour: StackBehaviour) {
        let layout = job.layout
        hasReplicas = job.replicas > 1
        offloads = layout.offloadsState && job.cluster.host != nil
        fetches = layout.offload == .parameters && offloads
        offloadsEveryPass = offloads && job.addsGradientsOnHost
        gathersByUnit = fetches || hasReplicas && (layout.zero == 3 || layout.zero == 2 && layout.pipeline == 1)
        keepsGathered = hasReplicas && !fetches && job.keepsGathered
        gathersAgain = layout.zero == 3 && !keepsGathered || fetches
        let staysWhole = hasReplicas && !gathersByUnit
        reducesEveryPass = staysWhole && layout.zero == 2
        reducesInPieces = staysWhole && (layout.zero == 2 || layout.overlap.gradReduce ?? behaviour.dataOverlap)
        reducesAtEnd = staysWhole && !reducesInPieces
        let isGathered = staysWhole && layout.zero >= 1
        let gathersBeside = layout.overlap.paramGather ?? behaviour.dataOverlap
        gathersAhead = isGathered && gathersBeside
        gathersAtEnd = isGathered && !gathersBeside
    }

    /// [virtual stages] how often each rank that holds a stage reduces its gradients in a step.
    func reductions(_ schedule: PipelineSchedule) -> [Int] {
        var counts = [Int](repeating: 1, count: schedule.virtualStages)
        guard gathersByUnit && !keepsGathered || reducesEveryPass else { return counts }
        for (rank, stages) in schedule.virtualStage.enumerated() {
            let leaves = gathersByUnit ? schedule.ranks[rank].map { $0.kind == .backward } : schedule.gradientRuns(rank: rank)
            for (chunk, stage) in stages.enumerated() {
                counts[stage] = zip(schedule.ranks[rank], leaves).count { $0.chunk == chunk && $1 }
            }
        }
        return counts
    }

    /// How often gradients are reduced at least in a step of any order of the job's micro-batches: with one chunk after every micro-batch, interleaved after
    /// as many as there are ranks, else once.
    public func leastReductions(_ job: Job) -> Int {
        guard reducesEveryPass, job.layout.schedule.fixedChunks != 2 else { return 1 }
        let micro = max(1, job.microBatches)
        return job.layout.virtual > 1 ? max(1, micro / max(1, job.layout.pipeline)) : micro
    }

    /// How often each rank that holds a stage gathers its parameters in a step.
    func gathers(_ schedule: PipelineSchedule, copies: Int) -> Int {
        gathersByUnit && gathersAgain ? 2 * schedule.microBatches / max(1, copies) : 1
    }
}

extension Job {
    /// FSDP that keeps what it gathered until the step's end. torchtitan does so under a pipeline, whose micro-batches would each gather all layers anew
    /// (`reshard_after_forward: default`, and gradient synchronisation in the last backward only, as torch.distributed.pipelining has it).
    public var keepsGathered: Bool {
        guard layout.zero == 3 else { return false }
        let isPipelined = layout.pipeline > 1 && StackTable.offer(of: software.framework)?.keepsGathered == true
        return !(layout.reshardAfterForward ?? !isPipelined)
    }

    /// Offloaded gradients go to the host as they are made and are added up there: where they are sharded, or there is but one copy of the parameters.
    public var addsGradientsOnHost: Bool { layout.offloadsState && layout.offloadShare == 1 && (layout.zero >= 2 || replicas == 1) }
}
