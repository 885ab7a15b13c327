import Quantities
import Testing

@testable import Cluster

@Suite struct CatalogueTests {
    @Test func everyEntryParsesAndCitesItsNumbers() throws {
        let contents = try Catalogue.contents()
        let needed = [
            "p100-sxm-16gb", "v100-sxm-32gb", "a100-sxm-40gb", "a100-sxm-80gb", "a100-pcie-40gb", "a100-pcie-80gb", "a800-sxm-80gb",
            "h100-sxm-80gb", "h100-pcie-80gb", "h100-96gb-500w", "h800-sxm-80gb", "h200-sxm-141gb", "h20-sxm-96gb", "b200-sxm-180gb",
            "b300-sxm-288gb", "gb200-186gb", "gb300-288gb", "l4-24gb", "l40s-48gb", "rtx4090-24gb", "rtx3090-24gb", "mi250x-128gb",
            "mi300x-192gb",
        ]
        for name in needed { #expect(contents.accelerators.contains { $0.name == name }, "\(name)") }
        for device in contents.accelerators {
            #expect(!device.source.isEmpty, "\(device.name)")
            for field in ["compute_units", "memory:", "memory_bandwidth", "l2", "pcie", "power"] {
                #expect(device.source.contains(field.replacing(":", with: "")), "\(device.name) \(field)")
            }
            for (precision, rate) in device.peaks {
                #expect(rate > 1e12, "\(device.name) \(precision)")
                #expect(device.source.contains(precision.rawValue), "\(device.name) \(precision)")
            }
            #expect(device.source.contains("(read)") || device.source.contains("(recalled)"), "\(device.name)")
            #expect(device.memory.count >= 900_000_000 && device.memoryBandwidth.bytesPerSecond >= 3e11 && device.boardPower.watts > 50)
            if let reached = device.achievable { #expect(reached < device.peak(.bf16), "\(device.name) beats its peak") }
        }
        for link in contents.links {
            #expect(link.source.contains("bandwidth") && link.source.contains("latency"), "\(link.name)")
            #expect(link.latency.nanoseconds > 0)
        }
        for node in contents.nodes {
            #expect(node.source.contains("gpus") && node.source.contains("nics") && node.source.contains("power"), "\(node.name)")
            #expect((node.hostPower?.watts ?? 0) >= 300, "\(node.name): a host draws something")
        }
        for preset in contents.clusters { #expect(preset.source.contains("gpus"), "\(preset.spec.name)") }
        _ = try CollectiveConstants.parsed.get()
    }

    @Test func namesAreUnique() throws {
        let contents = try Catalogue.contents()
        for names in [
            contents.accelerators.map(\.name), contents.links.map(\.name), contents.nodes.map(\.name), contents.clusters.map(\.spec.name),
        ] {
            #expect(Set(names).count == names.count)
        }
    }

    @Test func knownFigures() throws {
        let h100 = try Catalogue.accelerator(named: "h100-sxm-80gb")
        #expect(h100.peak(.bf16) == 989e12 && h100.peak(.fp8) == 1979e12 && h100.computeUnits == 132)
        #expect(h100.memory == Bytes(80 << 30) && h100.boardPower.watts == 700)
        #expect(try Catalogue.accelerator(named: "a100-sxm-80gb").peak(.nvfp4) == 312e12)
        #expect(try Catalogue.accelerator(named: "gb300-288gb").peak(.nvfp4) == 15e15)
        // 8 ports x 400 Gb/s = 400 GB/s a node.
        let meta = try Catalogue.clusterPreset(named: "meta-llama3-roce")
        #expect(meta.gpus == 16384 && meta.nodes == 2048 && meta.interNode?.nodeBandwidth == 400e9)
        // A DGX A100 has 6.5 kW less 8 x 400 W beside its GPUs.
        #expect(try Catalogue.node(named: "dgx-a100").hostPower?.watts == 3300)
        #expect(try Catalogue.clusterPreset(named: "gb200-nvl72-rack").domain == 72)
    }

    @Test func unknownNamesSuggestTheNearest() {
        #expect(throws: CatalogueError.self) { try Catalogue.accelerator(named: "h100") }
        for (wrong, right) in [("h100_sxm_80gb", "h100-sxm-80gb"), ("a100-smx-80gb", "a100-sxm-80gb"), ("b200", "b200-sxm-180gb")] {
            do throws(CatalogueError) {
                _ = try Catalogue.accelerator(named: wrong)
                Issue.record("\(wrong) must not be found")
            } catch { #expect(error.description.contains("did you mean \"\(right)\""), "\(error)") }
        }
        #expect(nearest("qqqqqqqq", in: ["h100-sxm-80gb"]) == nil)
        #expect(nearest("", in: ["a"]) == nil)
        #expect(nearest("roce-40g", in: ["roce-100g", "roce-400g"]) == "roce-400g")
    }

    @Test func numbersWithoutSourceDoNotParse() {
        let texts = [
            "sources: {a: b}\nlinks: [{name: x, fabric: nvlink, bandwidth: 5 GB/s, latency: [1 us, a]}]",
            "sources: {a: b}\nlinks: [{name: x, fabric: nvlink, bandwidth: [5 GB/s, z], latency: [1 us, a]}]",
            "sources: {a: b}\nlinks: [{name: x, fabric: string, bandwidth: [5 GB/s, a], latency: [1 us, a]}]",
            "sources: {a: b}\nlinks: [{name: x, fabric: nvlink, bandwidth: [5 us, a], latency: [1 us, a]}]", "links: []", "[", "",
        ]
        for text in texts {
            #expect(throws: CatalogueError.self, "\(text)") {
                try Catalogue.links(SourcedYAML(file: "test.yaml", bytes: Array(text.utf8)))
            }
        }
    }

    @Test func measuredClusters() throws {
        let plain = try ClusterSpec.measured(hardware: "a100-sxm-80gb", gpus: 64, gpusPerNode: 8, interNode: "ib-hdr-200g-x4")
        #expect(plain.warnings.isEmpty && plain.spec.interNode?.nodeBandwidth == 100e9 && plain.spec.domain == 8)
        let omni = try ClusterSpec.measured(hardware: "a100-sxm-80gb", gpus: 384, gpusPerNode: 8, interNode: "opa-100g-x4")
        #expect(omni.spec.interNode?.link.fabric == .omnipath && omni.spec.interNode?.nodeBandwidth == 50e9)
        let one = try ClusterSpec.measured(hardware: "h100-sxm-80gb", gpus: 8, gpusPerNode: 8, interNode: "none")
        #expect(one.warnings.isEmpty && one.spec.interNode == nil)
        let unknown = try ClusterSpec.measured(hardware: "h100-sxm-80gb", gpus: 512, gpusPerNode: 8, interNode: "unknown")
        #expect(unknown.warnings.count == 1 && unknown.spec.interNode?.nodeBandwidth == 400e9)
        // 8 GPUs of one rack; 256 GPUs take 64 of each of four racks; 144 fill two racks.
        for (gpus, network, domain) in [
            (8, "nvl72", 8), (64, "nvl72", 64), (256, "nvl72+ib-ndr-400g-x4", 64), (144, "nvl72+ib-ndr-400g-x4", 72),
        ] {
            let rack = try ClusterSpec.measured(hardware: "gb200-186gb", gpus: gpus, gpusPerNode: 4, interNode: network)
            #expect(rack.spec.domain == domain && rack.warnings.isEmpty, "\(gpus)")
        }
        for text in ["ib-hdr", "ib-hdr-200g-x0", "ib-hdr-200g-xx", "a+b+c", "ib-hdr-200g-x8+none", "infiniband"] {
            #expect(throws: CatalogueError.self, "\(text)") {
                try ClusterSpec.measured(hardware: "h100-sxm-80gb", gpus: 16, gpusPerNode: 8, interNode: text)
            }
        }
        for (gpus, perNode) in [(0, 8), (8, 0), (-8, 8)] {
            #expect(throws: CatalogueError.self) {
                try ClusterSpec.measured(hardware: "h100-sxm-80gb", gpus: gpus, gpusPerNode: perNode, interNode: "none")
            }
        }
    }

    @Test func tablesAreRectangular() throws {
        for section in CatalogueTable.Section.allCases {
            let table = try Catalogue.table(section)
            #expect(!table.rows.isEmpty)
            for row in table.rows { #expect(row.count == table.header.count && row.allSatisfy { !$0.isEmpty }, "\(row)") }
        }
    }
}
