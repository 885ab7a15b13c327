import Calibration
import Cluster
import Cost
import Foundation
import Plan
import Quantities
import TestSupport
import Workload

@testable import Planner

/// A small job whose space holds some hundreds of layouts.
func smallJob(
    _ model: String = "llama2-7b", gpus: Int = 16, batch: Int = 32, framework: String = "megatron-lm", layers: Int? = 8,
    sequence: Int = 2048, hardware: String = "h100-sxm-80gb", network: String = "ib-ndr-400g-x8"
) throws -> Job {
    var fixture = JobFixture(model, data: gpus)
    (fixture.hardware, fixture.network) = (hardware, network)
    return try fixture.job {
        $0.layout = Layout()
        ($0.training.globalBatch, $0.training.sequence) = (batch, sequence)
        if let layers { $0.model.layers = layers }
        $0.software = SoftwareStack(framework: framework)
    }
}

func prices() throws -> PriceBook {
    var prices = PriceBook()
    prices.gpuHour = try HourlyPrice(parsing: "2.00 USD/h")
    prices.electricity = try EnergyPrice(parsing: "0.10 USD/kWh")
    prices.chargesEnergy = true
    return prices
}

/// A slice of a small space that is quickly simulated in full.
func smallSpace(_ job: Job? = nil) throws -> SearchSpace {
    var constraints = SearchConstraints()
    (constraints.zero, constraints.recompute, constraints.maxMicroBatch) = ([1, 3], [.none], 2)
    (constraints.maxTensor, constraints.maxPipeline) = (4, 4)
    return SearchSpace(job: try job ?? smallJob(), constraints: constraints)
}

/// A file that goes when it is let go of.
final class TemporaryFile {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("orrery-planner-\(UUID().uuidString)").path
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func write(_ bytes: some Sequence<UInt8>) throws { try Data(Array(bytes)).write(to: URL(fileURLWithPath: path)) }
    func write(_ text: String) throws { try write(text.utf8) }
    var bytes: [UInt8] { FileManager.default.contents(atPath: path).map(Array.init) ?? [] }
}
