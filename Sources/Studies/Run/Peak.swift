import Cluster
import Plan
import Quantities

extension RunAnswer {
    /// The dense peak of a GPU that MFU is counted against, of the format that is computed in, FLOP/s; mean over pools.
    public var peak: Double { job.cluster.totalPeak(job.precision.compute) / Double(max(1, job.cluster.gpus)) }

    /// MFU against the 16-bit peak, as most reports of 8-bit and 4-bit training count it; nil where that is the peak in any case.
    public var mfu16: Double? {
        let sixteen = job.cluster.totalPeak(.bf16) / Double(max(1, job.cluster.gpus))
        guard job.precision.compute.bytes < 2, sixteen > 0, sixteen != peak else { return nil }
        return result.step.mfu * peak / sixteen
    }

    /// Against which peak: "of 989.4 bf16 TFLOP/s".
    public var peakInWords: String { "of \(significant(peak / 1e12)) \(job.precision.compute.rawValue) TFLOP/s" }
}
