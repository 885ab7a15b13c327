import Calibration
import Cluster
import Plan
import Workload

extension PreparedRun {
    /// Whether the step's time can depend on a constant at all, from the mechanisms that the plan has: spares the fit most of its slopes.
    func mayDepend(on constant: Constant) -> Bool {
        let job = plan.job
        let behaviour = plan.behaviour
        let layout = job.layout
        let precision = job.precision.compute
        var isCNN = false
        if case .resnet = job.model.kind { isCNN = true }
        let isMoE = job.model.moe != nil
        let parted = layout.tensor > 1 || layout.context > 1 || layout.expert > 1
        switch constant {
        case .gemm, .gemmWave, .gemmKHalf, .gemmTiles, .memory, .logits, .kernelStart, .launch, .optimizer, .optimizerTensor, .fixed:
            return true
        case .gemmFp32: return precision == .fp32
        case .gemmLow: return precision.isLow && precision != .nvfp4
        case .gemmFp4: return precision == .nvfp4
        case .quantise: return precision.isLow
        case .quantiseRowwise: return behaviour.scaling == .rowwise
        case .quantiseMx: return precision == .mxfp8
        case .grouped, .moePermute, .expertExposed: return isMoE
        case .expertOverlap: return isMoE && behaviour.fusedExperts
        case .convolution, .convolutionTraffic: return isCNN
        case .convolutionWide: return isCNN && (precision == .fp32 || precision == .tf32)
        case .elementwise: return !isCNN
        case .attention, .attentionHead64, .attentionBackward, .attentionSHalf: return !isCNN && behaviour.flashAttention
        case .attentionBmm, .attentionUnaligned, .attentionOdd, .attentionSoftmax: return !isCNN && !behaviour.flashAttention
        case .uncompiled: return behaviour.compilation != 0
        case .launchBlocking: return behaviour.launchBlocking
        case .collectiveLaunch: return parted
        case .nvlink: return job.cluster.domain > 1
        case .network: return job.cluster.gpus > job.cluster.domain
        case .ringStart: return parted && job.cluster.gpus > job.cluster.domain
        case .shardStart: return job.cluster.gpus > job.cluster.domain && (layout.zero == 1 || layout.zero == 2)
        case .tensorExposed, .tensorChunks: return layout.tensor > 1 && behaviour.tensorOverlap == .userBuffer
        case .tensorAsyncExposed: return layout.tensor > 1 && behaviour.tensorOverlap == .async
        case .tensorBackwardExposed, .tensorGatherBackward: return layout.tensor > 1
        case .contextExposed: return layout.context > 1
        case .pipelineExposed, .hostSync: return layout.pipeline > 1
        case .pipelineOverlap: return layout.pipeline > 1 && layout.virtual > 1
        case .blockingSends, .blockingGrowth: return layout.pipeline > 1 && behaviour.blockingSends
        case .dataExposed, .overlapSlowdown: return plan.flow.hasReplicas
        case .shardedSlowdown: return plan.flow.gathersByUnit
        case .gradientCopy: return behaviour.copiesGradients
        case .jitter: return job.cluster.gpus > 8
        case .selectiveShare: return job.training.recompute == .selective && behaviour.selective == .half
        case .degradation: return !behaviour.environment.isEmpty
        }
    }
}
