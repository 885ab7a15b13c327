/// What the data-parallel collectives of a virtual stage cost although they run beside computation: a share of them that start-up and the last bucket
/// leave on the path, and the computation that their kernels slow.
///
/// Both shares are calibrated where computation hides nearly all. On a slow network it hides no more than the pass that they run beside, so neither
/// may cost more than that: a bucket that takes longer than all computation costs what it would without overlap. Of n pieces of a gradient pass G, with a
/// reduction R, overlap saves min(R, G) (1 - 1/n); of a first forward F behind a gather likewise.
public struct OverlapCost: Sendable {
    /// Seconds that stay on the path beyond the simulated overlap.
    public let exposed: Double
    /// Relative slowing of computation while collectives run beside it.
    public let slowdown: Double
    /// Seconds of collectives that run beside a forward pass of a micro-batch, and beside one that makes gradients: they run beside whichever
    /// micro-batches pass meanwhile, so what they slow is spread over all of them.
    public let besideForward: Double
    public let besideGradient: Double

    /// - Parameters:
    ///   - reductions: times that the stage's gradients are reduced in a step.
    ///   - pieces: equal pieces of the last gradient pass.
    ///   - splits: weight gradients stand apart from the backward pass.
    public init(
        of stage: Int, costs: StageCosts, flow: GradientFlow, reductions: Double, pieces: Int, microBatches: Int, splits: Bool
    ) {
        let micro = Double(max(1, microBatches))
        let passes = costs.stages[stage]
        let gradient = splits ? passes.weight.total : passes.backward.total + passes.weight.total
        let gather = flow.gathersAhead ? costs.data[stage].gather : 0
        let reduce = flow.reducesInPieces ? costs.data[stage].reduce : 0
        (besideForward, besideGradient) = (gather / micro, reduce * reductions / micro)
        let left = costs.dataExposed * (reduce * reductions + gather)
        let slowed =
            micro * costs.overlapSlowdown * (min(passes.forward.total, besideForward) + min(gradient, besideGradient))
        let saved = (1 - 1 / Double(max(1, pieces))) * (reductions * min(reduce, gradient) + min(gather, passes.forward.total))
        let share = left + slowed > saved ? saved / (left + slowed) : 1
        (exposed, slowdown) = (left * share, costs.overlapSlowdown * share)
    }
}
