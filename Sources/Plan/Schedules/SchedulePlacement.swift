extension PipelineSchedule {
    /// The kind whose stages stand on the ranks as this schedule's do: rank r and chunk c hold stage r + c p (one chunk or more), stages r and
    /// 2 p - 1 - r (folded), or r and p - 1 - r (both directions of DualPipe). Nil for any other placement.
    public var placementKind: ScheduleKind? {
        let p = ranks.count
        func stands(_ stage: (_ rank: Int, _ chunk: Int) -> Int) -> Bool {
            virtualStage.enumerated().allSatisfy { rank, held in
                held.count == chunks && held.enumerated().allSatisfy { chunk, own in own == stage(rank, chunk) }
            }
        }
        if stands({ $0 + $1 * p }) { return chunks > 1 ? .interleaved : splitsBackward ? .zb1p : .oneForwardOneBackward }
        guard chunks == 2 else { return nil }
        if stands({ $1 == 0 ? $0 : 2 * p - 1 - $0 }) { return .zbV }
        return p % 2 == 0 && stands({ $1 == 0 ? $0 : p - 1 - $0 }) ? .dualpipe : nil
    }
}

extension Legality {
    /// An order from a file fits the pipeline that it is for.
    mutating func listed(_ order: PipelineSchedule) {
        let (ranks, micro) = (order.ranks.count, order.microBatches)
        if ranks < 2 {
            add(
                "layout.schedule", "the file orders one rank, which is no pipeline",
                "give a schedule of 2 ranks or more, or remove the file")
        } else if ranks != layout.pipeline {
            add("layout.schedule", "the file orders \(ranks) ranks, pipeline is \(layout.pipeline)", "write pipeline: \(ranks)")
        }
        if layout.schedule == .interleaved, order.chunks != layout.virtual {
            add(
                "layout.schedule", "the file has \(order.chunks) chunks a rank, virtual is \(layout.virtual)",
                "write virtual: \(order.chunks)")
        }
        if problems.isEmpty, micro != job.microBatches {
            add(
                "layout.schedule", "the file orders \(micro) micro-batches, the step has \(job.microBatches)",
                "choose a global batch of data x micro_batch x \(micro) = \(job.data * job.training.microBatch * micro)")
        }
    }
}
