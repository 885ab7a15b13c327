import Cluster
import Foundation
import Quantities
import Testing

@testable import Cost

@Suite struct EnergyTests {
    /// One A100 of 400 W, or several.
    static func cluster(gpus: Int) throws -> ClusterSpec {
        let gpu = Accelerator(
            name: "test", generation: .ampere, computeUnits: 108, peaks: [.bf16: 312e12], memory: Bytes(80_000_000_000),
            memoryBandwidth: try Bandwidth(baseValue: 2e12), boardPower: try Power(baseValue: 400), source: "test")
        let link = Link(name: "nvlink", fabric: .nvlink, bandwidth: try Bandwidth(baseValue: 3e11), latency: .zero, source: "test")
        return ClusterSpec(name: "test", accelerator: gpu, gpus: gpus, gpusPerNode: 8, intraNode: link, interNode: nil)
    }

    static func load(_ parts: [(PowerState, Double)], hfu: Double) -> PowerLoad {
        var load = PowerLoad(hfu: hfu)
        for (state, seconds) in parts { load.add(state, seconds: seconds) }
        return load
    }

    /// Compute 6 s at full rate (share 1), communication 3 s (0.5), waiting 1 s (0.2), board 400 W: (6 + 1.5 + 0.2) / 10 x 400 = 308 W.
    @Test func powerIsTheIntegralOverStates() throws {
        let model = PowerModel(idle: 0.2, memoryBound: 0.7, computeBound: 1, communication: 0.5)
        let board = try Power(baseValue: 400)
        let parts: [(PowerState, Double)] = [(.computing, 2), (.computing, 4), (.communicating, 3), (.waiting, 1)]
        #expect(abs(model.gpuPower(Self.load(parts, hfu: 0.42), boardPower: board).watts - 308) < 1e-9)
        // At half that rate computing draws (0.7 + 1) / 2: (6 x 0.85 + 1.7) / 10 x 400 = 272 W.
        #expect(abs(model.gpuPower(Self.load(parts, hfu: 0.21), boardPower: board).watts - 272) < 1e-9)
        #expect(model.gpuPower(PowerLoad(hfu: 0), boardPower: board).watts == 80)
    }

    /// LLaMA-65B (arXiv:2302.13971, table 15): 1,022,362 A100 hours x 400 W x 1.1 = 449.8 MWh, and BLOOM's 1,082,990 x 0.4 kW = 433,196 kWh
    /// (Luccioni et al., arXiv:2211.02001), both at nameplate power.
    @Test func publishedEnergyAtNameplatePower() throws {
        for (hours, pue, published) in [(1_022_362.0, 1.1, 449_839.0), (1_082_990.0, 1.0, 433_196.0)] {
            let energy = try PowerModel.nameplate.energy(
                of: Self.cluster(gpus: 1), under: Self.load([(.computing, 1)], hfu: 0.5), wallClock: hours * 3600, useful: 1)
            #expect(abs(energy.kilowattHours * pue - published) < 1)
        }
    }

    /// A second costs 8 GPUs x 3.60 USD / 3600 = 0.008 USD; a joule 0.36 USD/kWh x PUE 1.5 / 3.6e6 = 1.5e-7 USD, and nothing where the rent has it.
    @Test func ratesOfAPriceBook() throws {
        var book = PriceBook()
        #expect(try book.rates(gpus: 8) == Rates())
        book.gpuHour = try HourlyPrice(baseValue: 3.6)
        book.electricity = try EnergyPrice(baseValue: 0.36)
        book.pue = 1.5
        #expect(try book.rates(gpus: 8).dollarsPerJoule == 0)
        book.chargesEnergy = true
        let rates = try book.rates(gpus: 8)
        #expect(abs((rates.dollarsPerSecond ?? 0) - 0.008) < 1e-15)
        #expect(abs(rates.dollarsPerJoule - 1.5e-7) < 1e-20)
        book.purchase = .spot
        #expect(throws: Fault.self) { try book.rates(gpus: 8) }
    }

    /// Every generation has a row, in order: idle < communication < memory < compute <= board.
    @Test(arguments: Generation.allCases) func sharesAreOrdered(_ generation: Generation) throws {
        let model = try PowerModel(of: generation)
        #expect(0 < model.idle && model.idle < model.communication && model.communication < model.memoryBound)
        #expect(model.memoryBound < model.computeBound && model.computeBound <= 1)
        #expect(!model.source.isEmpty)
    }
}
