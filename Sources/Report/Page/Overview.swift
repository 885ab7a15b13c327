import Plan
import Quantities
import Studies

extension RunAnswer {
    /// What a page says about a run in words, and the numbers of the run that the result file has not.
    public var overview: JSONValue {
        let parameters = job.model.parameters
        let active = Double(parameters.active)
        let tokens = run.tokens
        return .object([
            ("model", .string(job.model.name)), ("cluster", .string("\(job.machinesInWords); \(job.networkInWords)")),
            ("layout", .string(job.degreesInWords)), ("rules", .string(job.rulesInWords)), ("training", .string(job.batchInWords)),
            ("software", .string(([job.software.framework] + [job.software.release].compactMap { $0 }).joined(separator: " "))),
            ("gpus", .integer(job.cluster.gpus)), ("data", .integer(job.data)), ("micro_batches", .integer(job.microBatches)),
            ("parameters", .number(Double(parameters.total))), ("active_parameters", .number(active)),
            ("has_length", .bool(job.hasLength)), ("peak", .string(peakInWords)), ("error", .string(expectedError)),
            ("unfit", .optional(unfitMessage())), ("never_ends", .optional(neverEnds)),
            ("tokens_per_parameter", .optional(job.hasLength && active > 0 ? tokens / active : nil)),
        ])
    }

    /// The style of pages and the script that draws timelines, for whoever serves them from files of their own.
    public static var pageStyle: [UInt8] { PackageResources.report_css }
    public static var timelineScript: [UInt8] { PackageResources.timeline_js }
}
