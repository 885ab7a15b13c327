import Calibration
import Plan
import Quantities

extension Plan {
    /// A remark where fused attention was assumed of a stack whose releases differ in it, and the step would take over a tenth longer without.
    /// - Parameter software: as the scenario gives it, with nothing filled in.
    public func attentionRemark(_ software: SoftwareStack, data: CalibrationData) -> String? {
        guard data.stacks.assumesFlashAttention(software, on: job.cluster.accelerator) else { return nil }
        var unfused = job
        unfused.software.flashAttention = false
        guard let other = try? unfused.plan(data), let own = try? StepReplay(plan: self).seconds(costs: costs),
            let slow = try? StepReplay(plan: other).seconds(costs: other.costs), own > 0, slow > 1.1 * own
        else { return nil }
        return "software.flash_attention is not given: fused attention is assumed, as current releases of \(software.framework) have it; "
            + "without it the step takes \(significant(slow / own, digits: 3)) times as long"
            + (other.memory.fits == memory.fits ? "" : ", and the job does not fit")
    }
}
