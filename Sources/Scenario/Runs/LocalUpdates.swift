import Cluster
import Plan

/// Workers that each train alone and average their parameters, or what these moved by, every so many steps (local SGD, arXiv:1805.09767; DiLoCo,
/// arXiv:2311.08105).
public struct LocalUpdates: Sendable, Hashable {
    /// Steps of a worker from one average to the next.
    public let steps: Int
    public let workers: Int
    /// Bytes a second between one worker and the others; 0 where nothing joins them.
    public let port: Double

    /// Leaves one worker's part in `job`: its machines, its replica and its share of the batch.
    init(steps: Int, parting job: inout Job) {
        self.steps = max(1, steps)
        workers = max(1, job.data)
        port = job.cluster.interNode?.nodeBandwidth ?? job.cluster.intraNode.bandwidth.bytesPerSecond
        job.cluster.gpus = max(1, job.cluster.gpus / workers)
        job.cluster.gpusPerNode = min(job.cluster.gpusPerNode, job.cluster.gpus)
        job.cluster.domain = min(job.cluster.domain, job.cluster.gpus)
        if job.cluster.gpus <= job.cluster.gpusPerNode { job.cluster.interNode = nil }
        job.layout.data = 1
        job.training.globalBatch = max(1, job.training.globalBatch / workers)
    }

    /// Seconds of one exchange: a ring passes 2 (n - 1)/n of the parameters over each port, tensor by tensor, each with a start of its own.
    ///
    /// On measured links of 1 and 5 Gb/s all-reduces of single tensors reach .99 and .94 of the rate, which 0.25 ms a tensor explain.
    public func exchangeSeconds(_ job: Job) -> Double {
        guard workers > 1, port > 0 else { return 0 }
        let n = Double(workers)
        let parameters = Double(job.model.parameters.trained)
        let width = job.precision.reduce?.bytes ?? 4
        let tensors = Double((0..<job.model.layers).reduce(3) { $0 + job.model.parameterTensors(job.model.variant(at: $1)) })
        return 2 * (n - 1) / n * parameters * width / port + 0.25e-3 * tensors
    }
}
